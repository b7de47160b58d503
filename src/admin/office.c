#include "admin/office.h"

#include "base/clock.h"

static const struct admin_actor nobody = {.role = ADMIN_FINANCE};

enum error office_open(struct office *office, const struct office_settings *settings)
{
    *office = (struct office){.settings = *settings, .started_at = clock_wall()};
    int length = snprintf(office->path, sizeof(office->path), "%s/%s", settings->data, STORE_FILE);
    if (length < 0 || (size_t)length >= sizeof(office->path))
        return ERROR_ARGUMENT;
    buffer_open(&office->config_changes, OFFICE_CHANGES_SIZE);
    credentials_open(&office->credentials);
    operations_open(&office->operations, NULL, settings->data, NULL, &nobody);
    return ERROR_OK;
}

void office_close(struct office *office)
{
    operations_close(&office->operations);
    credentials_close(&office->credentials);
    store_close(office->store);
    buffer_close(&office->config_changes);
    config_release(office->config);
    price_book_release(office->book);
    route_table_release(office->routes);
}

void office_set_config(struct office *office, struct config *config, struct price_book *book,
                       struct route_table *routes)
{
    buffer_clear(&office->config_changes);
    if (office->config)
        config_describe_difference(office->config, config, &office->config_changes);
    config_release(office->config);
    price_book_release(office->book);
    route_table_release(office->routes);
    office->routes = route_table_hold(routes);
    office->config = config_hold(config);
    office->operations.config = office->config;
    office->book = price_book_acquire(book);
    office->config_loaded_at = clock_wall();
}

bool office_enter(struct office *office)
{
    if (office->store)
        return true;
    if (store_open(office->path, STORE_WRITE, OFFICE_STORE_PATIENCE, &office->store,
                   office->problem) != ERROR_OK) {
        office->store = NULL;
        return false;
    }
    office->operations.store = office->store;
    return true;
}
