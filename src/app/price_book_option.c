#include "app/price_book_option.h"

#include <unistd.h>

#include "app/prices.h"
#include "config/load.h"
#include "control/price_list.h"

#define PROBLEMS_MAX 1048576u

static struct price_book *open_plain(const char *path)
{
    struct catalog *catalog = path ? prices_load(path) : catalog_shipped();
    struct price_book *book = catalog ? price_book_create_plain(catalog) : NULL;

    catalog_release(catalog);
    return book;
}

static void tell_problems(const struct config_problems *problems)
{
    struct buffer out;

    buffer_open(&out, PROBLEMS_MAX);
    config_problems_write(problems, isatty(STDERR_FILENO), &out);
    fprintf(stderr, "%.*s", TEXT_ARG(buffer_text(&out)));
    buffer_close(&out);
}

struct price_book *price_book_option_open(const char *path, const char *catalog)
{
    struct config_problems problems;
    struct config *config = NULL;
    struct price_book *book = NULL;
    char problem[PRICE_LIST_PROBLEM_SIZE];

    if (!path)
        return open_plain(catalog);
    config_problems_open(&problems);
    enum error error = config_load(path, &config, &problems);
    if (error)
        tell_problems(&problems);
    if (!error && catalog)
        config->catalog_path = text_from(catalog);
    if (!error && price_list_make(config, &book, problem) != ERROR_OK)
        (void)verb_fail("%s", problem);
    config_release(config);
    config_problems_close(&problems);
    return book;
}
