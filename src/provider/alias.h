/* alias: the caller's names and ids in a form that a provider's pattern takes, and back.
 *
 * What fits stays as it is. What does not gets '_' for every byte that is not taken, and a hash of
 * the whole behind it: the same in every process, so that a conversation reads the same each time
 * and prompt caches hold. Pure, any thread; what is made lies in the arena. */
#ifndef PROVIDER_ALIAS_H
#define PROVIDER_ALIAS_H

#include "base/arena.h"
#include "openai/conversation.h"

struct alias_rule {
    const char *marks; /* taken beside ASCII letters and digits; '_' among them */
    size_t maximum;    /* bytes; above ALIAS_HASH_LENGTH */
};

#define ALIAS_HASH_LENGTH 17u /* '_' and 64 bits in hexadecimal */

/* Of one byte at least and of no other than the rule's. */
bool alias_fits(struct text name, const struct alias_rule *rule);
/* `name` itself where it fits. data NULL when memory is short. */
struct text alias_make(struct arena *arena, struct text name, const struct alias_rule *rule);
/* Which of the conversation's tools the model means; `name` itself when it is none of them. */
struct text alias_restore(struct arena *arena, const struct conversation *conversation,
                          struct text name, const struct alias_rule *rule);

#endif
