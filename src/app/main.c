/* main: everything is in app/verb.c, so that tests can link it. */
#include "app/verb.h"

int main(int argument_count, char **arguments)
{
    return verb_main(argument_count, arguments);
}
