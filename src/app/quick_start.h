/* quick_start: a configuration made from what is there: keys in the environment, servers on this
 * machine, and the built-in demo model. Blocks for at most QUICK_START_PROBE_MILLISECONDS. Main
 * thread. */
#ifndef APP_QUICK_START_H
#define APP_QUICK_START_H

#include "base/buffer.h"

/* For all servers together: a local one answers its list of models in a few, and the start of the
 * process waits for it. A closed port answers at once. */
#define QUICK_START_PROBE_MILLISECONDS 30u
#define QUICK_START_MODELS_MAXIMUM     64u /* listed from one local server; more go by pattern */

/* Appends YAML to `yaml`, to be read with config_load_text, with one listener at `address` and the
 * admin API and console at `admin` (empty: on their socket alone), and what was found to `found`,
 * one line each ("OpenAI (OPENAI_API_KEY)"), without any secret. False when a buffer is too small.
 */
bool quick_start_config(struct text address, struct text admin, struct buffer *yaml,
                        struct buffer *found);

#endif
