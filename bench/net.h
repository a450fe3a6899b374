/* SPDX-License-Identifier: MIT */
/* What the programs of the benchmarks share of sockets and clock. IPv4 only: all traffic stays on 127.0.0.1. */
#ifndef BENCH_NET_H
#define BENCH_NET_H

#include <stdint.h>

/* Ends the program with a line on standard error. */
_Noreturn void bench_die(const char *what);

/* Monotonic. */
uint64_t bench_now_ns(void);

/* A number from 0 to max, else the program ends. */
uint64_t bench_number(const char *text, uint64_t max);

/* "ADDRESS:PORT" to a socket that listens, without blocking; *port is the one that it got. */
int bench_listen(const char *where, uint16_t *port);

/* A socket without blocking and without Nagle's delay; its connection may still be under way. */
int bench_connect(const char *where);

void bench_set_nodelay(int fd);

/* A descriptor that becomes readable at SIGTERM or SIGINT, which no longer end the program. */
int bench_signal_fd(void);

/* The signal comes when the thread that started this process ends, so that nothing outlives a run that was cut off. */
void bench_end_with_parent(int signal_number);

#endif
