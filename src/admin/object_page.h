/* object_page: one page of objects out of all that there are, in an order that does not change
 * while somebody pages through it.
 *
 * Teams by name; everything else the newest first. Objects are offered as the JSON that
 * admin/operations.h shows; the page keeps no more of them than it shows. One thread. */
#ifndef ADMIN_OBJECT_PAGE_H
#define ADMIN_OBJECT_PAGE_H

#include "admin/objects.h"

struct object_page_row {
    struct text key; /* what it is ordered by; makes it unique */
    struct text json;
};

struct object_page {
    enum object_kind kind;
    struct text after; /* the key behind which the page begins; empty: at the first */
    size_t limit;
    struct object_page_row *rows; /* ordered; one more than `limit` shows that there is more */
    size_t count;
};

/* `after` must stay valid. */
void object_page_open(struct object_page *page, enum object_kind kind, struct text after,
                      size_t limit);
void object_page_close(struct object_page *page);
/* Copies what belongs on the page. Has the shape that operations_list calls. */
void object_page_offer(void *page, struct text json);

#endif
