/* demo: the model within this process (demo/demo.h), reached like any other upstream but without a
 * credential. */
#include "provider/dialect.h"

extern const struct provider provider_demo;
const struct provider provider_demo = {
    .name = TEXT_INIT("demo"),
    .prepare = dialect_prepare,
    .answer_open = dialect_answer_open,
};
