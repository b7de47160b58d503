/* support: what the tests of policy/ share. */
#ifndef TESTS_POLICY_SUPPORT_H
#define TESTS_POLICY_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "identity/reader.h"
#include "policy/policy.h"

#define SECOND NANOSECONDS_PER_SECOND
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define NOW    (1800000000ull * SECOND) /* 2027-01-15T08:00:00Z, a Friday */

/* A 16-byte number cannot go through cmocka's integers. */
#define assert_money_equal(a, b) assert_true((a) == (b))

#endif
