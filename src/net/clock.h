/* SPDX-License-Identifier: MIT */
/* The only clock. */
#ifndef BM_NET_CLOCK_H
#define BM_NET_CLOCK_H

#include <stdint.h>

/* Milliseconds of CLOCK_MONOTONIC: for deadlines. */
uint64_t bm_clock_monotonic_ms(void);

/* The same in microseconds: for measuring. */
uint64_t bm_clock_monotonic_us(void);

/* Milliseconds since 1970 of CLOCK_REALTIME: for what people read. */
uint64_t bm_clock_wall_ms(void);

#endif
