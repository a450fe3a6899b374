/* SPDX-License-Identifier: MIT */
/* cmocka wants these in this order. */
#ifndef BM_TESTS_UNIT_H
#define BM_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
