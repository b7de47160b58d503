#include "admin/zones.h"

#include <dirent.h>
#include <sys/stat.h>

#define SYSTEM_FOLDER "/usr/share/zoneinfo"
#define PATH_SIZE     1024u
#define DEPTH_MAX     3u /* America/Argentina/Ushuaia */

struct search {
    struct text wanted;
    char *best;
    size_t limit, distance;
};

/* Of all letters alike: people write europe/berlin. */
static struct text fold(struct text text, char out[TIMEZONE_NAME_MAX + 1])
{
    (void)text_copy_to(text, out, TIMEZONE_NAME_MAX + 1);
    for (char *c = out; *c != '\0'; c++) {
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
        else if (*c == ' ')
            *c = '_';
    }
    return text_from(out);
}

static struct text place_of(struct text name)
{
    struct text place = name;
    for (size_t i = 0; i < name.length; i++) {
        if (name.data[i] == '/')
            place = text_from_index(name, i + 1);
    }
    return place;
}

/* The place alone ("Berlin") counts as one wrong letter. */
static void consider(struct search *search, struct text name)
{
    char given[TIMEZONE_NAME_MAX + 1], candidate[TIMEZONE_NAME_MAX + 1];
    if (name.length > TIMEZONE_NAME_MAX)
        return;
    struct text wanted = fold(search->wanted, given), folded = fold(name, candidate);
    size_t distance = text_edit_distance(folded, wanted, search->limit);
    if (text_equal(place_of(folded), place_of(wanted)) && distance > 1)
        distance = 1;
    if (distance >= search->distance)
        return;
    search->distance = distance;
    (void)text_copy_to(name, search->best, TIMEZONE_NAME_MAX + 1);
}

/* Zones begin with a capital letter; posix/, right/ and the tables beside them do not. */
static void walk(struct search *search, const char *folder, const char *prefix, unsigned depth)
{
    DIR *directory = opendir(folder);
    const struct dirent *entry;
    if (directory == NULL)
        return;
    while ((entry = readdir(directory)) != NULL) {
        char path[PATH_SIZE], name[PATH_SIZE];
        struct stat status;
        int path_length = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        int name_length = snprintf(name, sizeof name, "%s%s", prefix, entry->d_name);
        if (entry->d_name[0] < 'A' || entry->d_name[0] > 'Z' || path_length >= (int)sizeof path ||
            name_length >= (int)sizeof name - 1 || stat(path, &status) != 0)
            continue;
        if (S_ISREG(status.st_mode)) {
            consider(search, text_from(name));
        } else if (S_ISDIR(status.st_mode) && depth < DEPTH_MAX) {
            (void)snprintf(name + name_length, sizeof name - (size_t)name_length, "/");
            walk(search, path, name, depth + 1);
        }
    }
    closedir(directory);
}

bool zones_find_nearest(const char *folder, struct text wanted, char out[TIMEZONE_NAME_MAX + 1])
{
    size_t limit = wanted.length / 3 + 1;
    struct search search = {wanted, out, limit, limit + 1};
    out[0] = '\0';
    walk(&search, folder ? folder : SYSTEM_FOLDER, "", 1);
    return out[0] != '\0';
}
