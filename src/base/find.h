/* find: the first of certain bytes, as fast as memory delivers them. Bodies with a long prompt or a
 * picture in base64 are almost all bytes that nobody is looking for. No state: any thread. */
#ifndef BASE_FIND_H
#define BASE_FIND_H

/* The first '"', '\\' or byte below 0x20 from `p`: where a run of plain characters of a JSON string
 * ends (RFC 8259 section 7). `end` when there is none. */
const char *find_string_end(const char *p, const char *end);
/* The first CR or LF from `p`; `end` when there is none. */
const char *find_line_end(const char *p, const char *end);
/* The first byte that is not printable ASCII or a space. For short texts, such as a line of a head:
 * the other two are faster on long ones. */
const char *find_unprintable(const char *p, const char *end);
/* The first byte that is neither an ASCII letter or digit nor '-' or '_'. For short texts. */
const char *find_name_end(const char *p, const char *end);

#endif
