/* liburcu's QSBR flavour ("quiescent-state-based reclamation"): readers pay nothing per look-up,
 * and instead tell at times that they hold nothing. A worker's loop has such a moment by nature:
 * its wait. */
#include "identity/reader.h"

#include <urcu/urcu-qsbr.h>

#include "base/ensure.h"
#include "identity/annotate.h"

static _Thread_local bool registered;
/* Only its address counts: all that readers did before they let go happens before what the writer
 * does after it has waited for them. */
static char let_go;

void reader_register(void)
{
    ensure(!registered);
    urcu_qsbr_register_thread();
    registered = true;
}

void reader_unregister(void)
{
    ensure(registered);
    order_release(&let_go);
    urcu_qsbr_unregister_thread();
    registered = false;
}

bool reader_is_registered(void)
{
    return registered;
}

void reader_pause(void)
{
    order_release(&let_go);
    urcu_qsbr_thread_offline();
}

void reader_resume(void)
{
    urcu_qsbr_thread_online();
}

void reader_turn(void)
{
    order_release(&let_go);
    urcu_qsbr_quiescent_state();
}

void reader_wait_for_all(void)
{
    urcu_qsbr_synchronize_rcu();
    order_acquire(&let_go);
}
