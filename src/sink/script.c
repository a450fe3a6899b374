/* SPDX-License-Identifier: MIT */
#include "sink/script.h"

#include <stdlib.h>

/* No command line is longer. */
#define TEXT_MAX (17U << 10)

static const char *const names[] = {
#define NAME(name, text) text,
	BM_SINK_EVENTS(NAME)
#undef NAME
};

const char *bm_sink_event_name(enum bm_sink_event event)
{
	return names[event];
}

static bool set_has(const struct bm_sink_set *set, uint64_t number)
{
	switch (set->kind) {
	case BM_SINK_SET_ALL:
		return true;
	case BM_SINK_SET_EVERY:
		return number % set->value == 0;
	case BM_SINK_SET_FROM:
		return number >= set->value;
	case BM_SINK_SET_LIST:
		break;
	}
	for (size_t i = 0; i < set->count; i++)
		if (set->list[i] == number)
			return true;
	return false;
}

/* regexec wants a NUL behind it. */
static bool text_matches(const struct bm_sink_rule *rule, struct bm_span text)
{
	char copy[TEXT_MAX];
	size_t size = text.size < TEXT_MAX ? text.size : TEXT_MAX - 1;

	if (size > 0)
		memcpy(copy, text.data, size);
	copy[size] = '\0';
	return regexec(&rule->match, copy, 0, NULL, 0) == 0;
}

static bool rule_fits(const struct bm_sink_rule *rule, const struct bm_sink_happening *happening)
{
	uint32_t end = happening->each ? 0 : bm_sink_event_bit(BM_SINK_ON_END);
	uint32_t of_content = bm_sink_event_bit(BM_SINK_ON_CONTENT) | end;
	uint32_t both = rule->on & happening->events;

	if (both == 0)
		return false;
	if ((both & bm_sink_event_bit(BM_SINK_ON_CONTENT)) != 0 && rule->after != happening->after)
		return false;
	if (!set_has(&rule->connection, happening->connection) || (rule->pipelined && !happening->pipelined))
		return false;
	if (rule->where != BM_SINK_ANYWHERE && (rule->where == BM_SINK_INSIDE_TLS) != happening->secure)
		return false;
	if (!rule->has_match)
		return true;
	return text_matches(rule, (both & ~of_content) != 0 ? happening->line : happening->mail);
}

static bool rule_fires(struct bm_sink_rule *rule, uint64_t *seen, const struct bm_sink_happening *happening)
{
	if (!rule_fits(rule, happening))
		return false;
	++*seen;
	return set_has(&rule->nth, *seen) && (rule->times == 0 || rule->fired < rule->times);
}

const struct bm_sink_rule *bm_sink_script_match(
	struct bm_sink_script *script, const struct bm_sink_happening *happening)
{
	struct bm_sink_rule *won = NULL;

	for (size_t i = 0; i < script->count; i++) {
		struct bm_sink_rule *rule = &script->rules[i];
		bool fires = rule_fires(rule, rule->per_connection ? &happening->seen[i] : &rule->seen, happening);
		if (fires && won == NULL)
			won = rule;
	}
	if (won != NULL)
		won->fired++;
	return won;
}

uint64_t bm_sink_script_trip(const struct bm_sink_script *script, uint64_t from)
{
	uint64_t trip = UINT64_MAX;

	for (size_t i = 0; i < script->count; i++) {
		const struct bm_sink_rule *rule = &script->rules[i];
		if ((rule->on & bm_sink_event_bit(BM_SINK_ON_CONTENT)) == 0)
			continue;
		if (rule->after >= from && rule->after < trip)
			trip = rule->after;
	}
	return trip;
}

bool bm_sink_script_stops_reading(const struct bm_sink_script *script)
{
	for (size_t i = 0; i < script->count; i++)
		if (script->rules[i].stop_reading)
			return true;
	return false;
}

int bm_sink_reply_code(struct bm_span reply)
{
	int code = 0;

	if (reply.size < 3)
		return 0;
	for (size_t i = 0; i < 3; i++) {
		if (reply.data[i] < '0' || reply.data[i] > '9')
			return 0;
		code = code * 10 + (reply.data[i] - '0');
	}
	return code;
}

static void rule_deinit(struct bm_sink_rule *rule)
{
	if (rule->has_match)
		regfree(&rule->match);
	free(rule->nth.list);
	free(rule->connection.list);
	free(rule->reply.data);
	free(rule->presend.data);
	free(rule->postsend.data);
}

void bm_sink_script_deinit(struct bm_sink_script *script)
{
	for (size_t i = 0; i < script->count; i++)
		rule_deinit(&script->rules[i]);
	free(script->rules);
	*script = (struct bm_sink_script){0};
}
