/* SPDX-License-Identifier: MIT */
/*
 * Who can be sent to by which server. What a connection's EHLO did not list is not asked of its server again: its
 * connections may differ, and nobody is to go round between them for ever. Recipients with needs that a server lacks
 * wait in lists by what they need; those whom no server can take are refused, as a server would that is asked.
 */
#include "engine/parts.h"

#include "base/error.h"

#include <stdio.h>

/* What a recipient is told whose need nobody meets; the first that is not met counts. */
static const struct refusal {
	unsigned need;
	int code;
	const char *enhanced;
	const char *text;
	const char *lack; /* what the log says of a server */
} refusals[] = {
	{BM_NEED_TLS, 550, "5.7.30", "REQUIRETLS support required: no server offers it over TLS that is verified",
		"does not offer REQUIRETLS over TLS that is verified"},
	{BM_NEED_UTF8, 553, "5.6.7", "an address or a header is not ASCII, and no server offers SMTPUTF8",
		"does not offer SMTPUTF8, and an address or a header of the message is not ASCII"},
	{BM_NEED_ROOM, 552, "5.3.4", "the message is larger than any server takes", "does not take a message of this size"},
};

static const struct refusal *find_refusal(unsigned needs)
{
	for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
		if ((needs & refusals[i].need) != 0)
			return &refusals[i];
	}
	return NULL;
}

/* RFC 6531, 3.1: SMTPUTF8 is nothing without 8BITMIME. */
unsigned bm_needs_lacked(const struct bm_smtp_capabilities *offers)
{
	unsigned lacks = 0;

	lacks |= offers->eight_bit_mime ? 0 : BM_NEED_EIGHT_BIT;
	lacks |= offers->smtputf8 && offers->eight_bit_mime ? 0 : BM_NEED_UTF8;
	lacks |= offers->require_tls ? 0 : BM_NEED_TLS;
	return lacks;
}

/* Of a message of so many octets. */
static unsigned lacks_of(const struct bm_run_server *server, uint64_t size_bytes)
{
	bool small = server->size_max != 0 && size_bytes > server->size_max;
	return server->lacks | (small ? BM_NEED_ROOM : 0);
}

static uint64_t shared_size(const struct bm_run *run)
{
	return run->shares ? run->shared.size_bytes : 0;
}

bool bm_run_suits(const struct bm_run *run, size_t server)
{
	return (run->needs & lacks_of(&run->servers[server], shared_size(run))) == 0;
}

/* What keeps the server from taking the recipient. */
static unsigned missing_for(const struct bm_run *run, size_t server, const struct bm_item *item)
{
	return (item->needs | run->needs) & lacks_of(&run->servers[server], item->size_bytes);
}

bool bm_run_suits_item(const struct bm_run *run, size_t server, const struct bm_item *item)
{
	return item->needs == 0 || missing_for(run, server, item) == 0;
}

/* What is missing everywhere; 0: some server may take the recipient, or there is none left at all. */
static unsigned missing_everywhere(const struct bm_run *run, const struct bm_item *item)
{
	unsigned missing = 0;
	bool any = false;

	for (size_t i = 0; i < run->server_count; i++) {
		if (bm_run_policy(run, i)->worthless)
			continue;
		unsigned here = missing_for(run, i, item);
		if (here == 0)
			return 0;
		missing |= here;
		any = true;
	}
	return any ? missing : 0;
}

bool bm_run_has_other_for(const struct bm_run *run, size_t server, const struct bm_item *item)
{
	for (size_t i = 0; i < run->server_count; i++) {
		if (i != server && bm_run_is_usable(run, i) && missing_for(run, i, item) == 0)
			return true;
	}
	return false;
}

static void learn_lacks(struct bm_run *run, size_t server, const struct bm_smtp_capabilities *offers)
{
	struct bm_run_server *at = &run->servers[server];

	at->lacks |= bm_needs_lacked(offers);
	if (offers->size && offers->size_max != 0 && (at->size_max == 0 || offers->size_max < at->size_max))
		at->size_max = offers->size_max;
}

void bm_run_learn_offers(struct bm_run *run, size_t server, const struct bm_smtp_capabilities *offers)
{
	struct bm_run_server *at = &run->servers[server];
	bool suited = bm_run_suits(run, server);
	struct bm_error err;

	learn_lacks(run, server, offers);
	if (!suited || bm_run_suits(run, server))
		return;
	const struct refusal *refusal = find_refusal(run->needs & lacks_of(at, shared_size(run)));
	bm_error_set(&err, BM_E_UNSUPPORTED, "", "%s %s: it is not used", run->port->server_name(run->port->user, server),
		refusal != NULL ? refusal->lack : "does not offer 8BITMIME, and the message holds octets above 127");
	bm_run_note(run, &err);
	bm_run_give_up(run, server);
}

static struct bm_item_list *list_for(struct bm_run *run, const struct bm_item *item)
{
	return item->needs == 0 ? &run->ready : &run->special[item->needs];
}

void bm_run_ready_merge(struct bm_run *run, struct bm_item_list *items)
{
	if (items->first == NULL)
		return;
	if (items->first->needs != 0)
		run->special_count += items->count;
	bm_item_list_merge(list_for(run, items->first), items);
}

void bm_run_ready_insert(struct bm_run *run, struct bm_item *item)
{
	run->special_count += item->needs != 0 ? 1 : 0;
	bm_item_list_insert(list_for(run, item), item);
}

/* The first of those with needs whom the server can take; NULL: none. */
static struct bm_item_list *find_special(struct bm_run *run, size_t server)
{
	struct bm_item_list *best = NULL;

	for (size_t i = 1; run->special_count > 0 && i < BM_NEED_SETS; i++) {
		struct bm_item_list *list = &run->special[i];
		if (list->first == NULL || missing_for(run, server, list->first) != 0)
			continue;
		if (best == NULL || list->first->seq < best->first->seq)
			best = list;
	}
	return best;
}

struct bm_item *bm_run_ready_take(struct bm_run *run, size_t server)
{
	struct bm_item_list *special = find_special(run, server);

	if (special == NULL || (run->ready.first != NULL && run->ready.first->seq < special->first->seq))
		return bm_item_list_take(&run->ready);
	run->special_count--;
	return bm_item_list_take(special);
}

size_t bm_run_ready_count(struct bm_run *run, size_t server)
{
	size_t count = run->ready.count;

	for (size_t i = 1; run->special_count > 0 && i < BM_NEED_SETS; i++) {
		const struct bm_item_list *list = &run->special[i];
		if (list->first != NULL && missing_for(run, server, list->first) == 0)
			count += list->count;
	}
	return count;
}

static void settle_refused(struct bm_run *run, struct bm_item *item, const struct refusal *refusal)
{
	struct bm_answer *answer = &item->answer;

	answer->code = refusal->code;
	answer->server = 0;
	snprintf(answer->enhanced, sizeof answer->enhanced, "%s", refusal->enhanced);
	snprintf(answer->text, sizeof answer->text, "%s", refusal->text);
	bm_run_settle(run, item, BM_OUTCOME_REFUSED, NULL);
	bm_item_free(&run->items, item);
}

static void refuse_specials(struct bm_run *run)
{
	for (size_t i = 1; run->special_count > 0 && i < BM_NEED_SETS; i++) {
		struct bm_item_list *list = &run->special[i];
		while (list->first != NULL) {
			const struct refusal *refusal = find_refusal(missing_everywhere(run, list->first));
			if (refusal == NULL)
				break;
			run->special_count--;
			settle_refused(run, bm_item_list_take(list), refusal);
			/* Who stood behind them may be a server's. */
			run->again_ms = bm_run_now(run) + 1;
		}
	}
}

/* All that is there of the list and of those who were put back; those who wait have been answered already. */
static void refuse_all(struct bm_run *run, const struct refusal *refusal)
{
	for (struct bm_item *item = bm_run_next_of_all(run); item != NULL; item = bm_run_next_of_all(run))
		settle_refused(run, item, refusal);
}

void bm_run_refuse_hopeless(struct bm_run *run)
{
	if (run->special_count > 0)
		refuse_specials(run);
	if (run->needs == 0 || run->in_flight > 0)
		return;
	struct bm_item anybody = {.needs = run->needs, .size_bytes = shared_size(run)};
	const struct refusal *refusal = find_refusal(missing_everywhere(run, &anybody));
	if (refusal != NULL)
		refuse_all(run, refusal);
}
