#include "app/apply_files.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "app/output.h"
#include "app/verb.h"

#define READ_CHUNK 65536u

static bool read_all(int file, struct buffer *out)
{
    ssize_t count;
    do {
        char *room = buffer_reserve(out, READ_CHUNK);
        if (room == NULL) {
            errno = EFBIG;
            return false;
        }
        count = read(file, room, READ_CHUNK);
        if (count > 0)
            out->length += (size_t)count;
    } while (count > 0 || (count < 0 && errno == EINTR));
    return count == 0;
}

static bool read_file(struct apply_files *files, const char *name)
{
    bool is_input = text_equal(text_from(name), TEXT("-"));
    struct buffer *text = &files->texts[files->count];
    struct apply_file *file = &files->files[files->count];
    files->count++;
    buffer_open(text, DOCUMENT_BYTES_MAXIMUM + READ_CHUNK);
    config_problems_open(&file->problems);
    file->problems.source = is_input ? TEXT("standard input") : text_from(name);
    int descriptor = is_input ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
    bool good = descriptor >= 0 && read_all(descriptor, text);
    if (!good)
        verb_fail("%s: %s", is_input ? "standard input" : name, strerror(errno));
    if (descriptor >= 0 && !is_input)
        close(descriptor);
    file->yaml = buffer_text(text);
    return good;
}

bool apply_files_read(struct apply_files *files, const struct option_list *names)
{
    for (size_t i = 0; i < names->count; i++) {
        if (!read_file(files, names->values[i]))
            return false;
    }
    return true;
}

size_t apply_files_print_problems(const struct apply_files *files)
{
    struct buffer lines;
    size_t count = 0;
    buffer_open(&lines, DOCUMENT_BYTES_MAXIMUM);
    for (size_t i = 0; i < files->count; i++) {
        count += files->files[i].problems.error_count;
        config_problems_write(&files->files[i].problems, true, &lines);
    }
    struct text rest = buffer_text(&lines); /* the files' names and words are in it */
    while (!text_empty(rest)) {
        output_print(stderr, text_split(&rest, '\n'));
        fputc('\n', stderr);
    }
    buffer_close(&lines);
    return count;
}

void apply_files_forget_problems(struct apply_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        struct config_problems *problems = &files->files[i].problems;
        struct text source = problems->source;
        config_problems_close(problems);
        config_problems_open(problems);
        problems->source = source;
    }
}

void apply_files_close(struct apply_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        config_problems_close(&files->files[i].problems);
        buffer_close(&files->texts[i]);
    }
    files->count = 0;
}
