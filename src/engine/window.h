/* SPDX-License-Identifier: MIT */
/*
 * How many transactions a connection may hold unanswered, as far as the engine has a say: no more than the server works
 * off in about a second, and so few that the errors to be expected of them do not make it hang up.
 */
#ifndef BM_ENGINE_WINDOW_H
#define BM_ENGINE_WINDOW_H

#include <stddef.h>
#include <stdint.h>

/* Of one connection. */
struct bm_window {
	uint64_t gap_us;    /* smoothed time between completions while something was in flight; 0: not known */
	uint64_t since_ms;  /* the last completion, or since when something is in flight */
	uint64_t completed; /* transactions */
};

/* gap_us: what is known of the server's other connections, or 0. */
void bm_window_init(struct bm_window *window, uint64_t gap_us);

/* The first transaction is in flight where none was. */
void bm_window_begin(struct bm_window *window, uint64_t now_ms);
void bm_window_completed(struct bm_window *window, uint64_t now_ms);

/* Transactions in flight at most; at least 1. Grows with what was completed. */
size_t bm_window_size(const struct bm_window *window);

/* What went wrong at one server so far; old counts lose weight. */
struct bm_odds {
	uint64_t transactions;
	uint64_t errors; /* 4yz and 5yz */
	uint64_t recipients;
	uint64_t refused;
};

void bm_odds_add(struct bm_odds *odds, uint64_t errors, uint64_t recipients, uint64_t refused);

/* Transactions in flight at most where left more errors may come; at least 1. */
size_t bm_odds_in_flight(const struct bm_odds *odds, uint64_t left);

/* RCPTs unanswered at most in an envelope of count; 0: all of them. */
size_t bm_odds_recipients(const struct bm_odds *odds, uint64_t left, size_t count);

#endif
