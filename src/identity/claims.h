/* claims: what a token or a certificate says of its holder, as a JSON object, and how rules look at
 * it.
 *
 * A claim is named by its path: the name of a member, or, beginning with "/", a JSON pointer (RFC
 * 6901) into nested ones: "/kubernetes.io/namespace". What is compared is text: a string as it is,
 * a whole number and true or false as JSON writes them; of an array any item may match. Pure
 * functions, any thread. */
#ifndef IDENTITY_CLAIMS_H
#define IDENTITY_CLAIMS_H

#include <stdbool.h>
#include <yyjson.h>

#include "base/buffer.h"
#include "base/text.h"

/* Members of one object: each is compared with each, to find one that stands there twice. The
 * tokens of the platforms have some 30. */
#define CLAIMS_MEMBERS_MAX 128u
/* Objects and arrays within each other; the platforms' tokens have three. */
#define CLAIMS_DEPTH_MAX 16u
/* Bytes of a claim that is compared or shown; a longer one matches nothing. */
#define CLAIMS_VALUE_MAX 1024u

/* Bytes of a claim within a template; the rest is cut. */
#define CLAIMS_EXPANDED_MAX 128u

/* At most `limit` bytes, cut at a character. */
struct text claims_cut(struct text text, size_t limit);

/* NULL when there is none. */
yyjson_val *claims_find(yyjson_val *claims, struct text path);
/* The text of a claim that is one string; empty when it is missing or something else. */
struct text claims_text(yyjson_val *claims, struct text path);
/* Whether the claim is there and equals `pattern`, in which `*` stands for any run. */
bool claims_match(yyjson_val *claims, struct text path, struct text pattern);
/* Whether the claim is that text, or an array that has it: "aud" (RFC 7519 section 4.1.3). */
bool claims_contain(yyjson_val *claims, struct text path, struct text wanted);
/* Whether in no object, however deep, a member stands twice: readers differ in which they take. One
 * with more than CLAIMS_MEMBERS_MAX members, or deeper than CLAIMS_DEPTH_MAX, counts as ambiguous.
 */
bool claims_are_unambiguous(yyjson_val *claims);

/* A template is text in which "{PATH}" stands for the claim of that path. */
/* What is wrong with it; NULL: nothing. */
const char *claims_template_problem(struct text template);
/* Appends the text with its claims filled in; false when one is missing or is no text, or `out` is
 * full (out->failed). */
must_check bool claims_expand(yyjson_val *claims, struct text template, struct buffer *out);

#endif
