/* SPDX-License-Identifier: MIT */
#include "net/clock.h"

#include <time.h>

static uint64_t read_us(clockid_t id)
{
	struct timespec now = {0};
	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t bm_clock_monotonic_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

uint64_t bm_clock_monotonic_ms(void)
{
	return bm_clock_monotonic_us() / 1000;
}

uint64_t bm_clock_wall_ms(void)
{
	return read_us(CLOCK_REALTIME) / 1000;
}
