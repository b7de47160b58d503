/* admin_options: rows of options that the verbs that administer share. */
#ifndef APP_ADMIN_OPTIONS_H
#define APP_ADMIN_OPTIONS_H

#include "app/options.h"
#include "app/paths.h"

#define ADMIN_DATA_ROW(type)                                                                      \
    OPTION_TEXT_ROW("data", type, data, "DIR", "data directory of the server [" DATA_DEFAULT "]", \
                    OPTION_DIRECTORY)
#define ADMIN_JSON_ROW(type) OPTION_FLAG_ROW("json", type, json, "print JSON, for programs")
#define ADMIN_TEXT_ROW(type, name, member, value, help) \
    OPTION_TEXT_ROW(name, type, member, value, help, OPTION_ANY)

/* The lists of models, at any level. */
#define ADMIN_MODEL_ROWS(type)                                                                   \
    OPTION_LIST_ROW("model", type, models, "PATTERN",                                            \
                    "a model that may be used, as callers name it; * stands for any run [all]"), \
        OPTION_LIST_ROW("deny-model", type, denied, "PATTERN",                                   \
                        "a model that may not be used; stronger than --model")
/* To take them back, in an edit. */
#define ADMIN_MODEL_EDIT_ROWS(type)                                                     \
    OPTION_FLAG_ROW("all-models", type, all_models, "take the list of models away"),    \
        OPTION_FLAG_ROW("no-models", type, no_models, "make the list empty: no model"), \
        OPTION_FLAG_ROW("deny-none", type, deny_none, "take the list of denied models away")

#endif
