/* SPDX-License-Identifier: MIT */
/*
 * The world of the engine: its connections over one loop, its list, its clock. A round: wait and read, tell the engine
 * what happened, let it act, commit the journal, write, flush the logs. The engine calls submit, open and close only
 * while it acts, and is told of everything else between.
 */
#include "api/campaign.h"
#include "base/error.h"
#include "net/clock.h"
#include "net/command.h"
#include "net/connect.h"
#include "net/wait.h"
#include "store/recipients.h"

#include <poll.h>
#include <stdlib.h>

/* RSET and QUIT together, whatever time_out says: nothing depends on their replies. */
#define GOODBYE_MS 5000

/* Of a stream whose pipeline_depth is unset. */
#define DEPTH_MAX 256
#define DEPTH_A_MILLISECOND 10

enum line_state {
	LINE_FREE,
	LINE_WAITING, /* for password_command */
	LINE_CONNECTING,
	LINE_GREETING,
	LINE_OPEN,
	LINE_LEAVING, /* the goodbye is being said */
	LINE_PARTED,  /* QUIT was said: the engine may have another connection in its place */
	LINE_GONE,    /* the engine is to be told */
};

/* One connection, of a slot; of none when it has parted. */
struct line {
	struct world *world;
	struct line *next; /* of those that have parted, the oldest first */
	size_t slot;
	enum line_state state;
	size_t server;
	enum bm_smtp_pipelining pipelining;
	struct bm_connect *connect; /* CONNECTING */
	struct bm_link *link;       /* GREETING, OPEN, LEAVING, PARTED */
	struct bm_attempt attempt;
	bool said_rset;
	bool said_quit;
	uint64_t leave_by_ms;
	struct bm_error why; /* GONE; without a code: nothing to complain about. WAITING: how the last token was refused */
};

/* What password_command is about to print, for the lines of one server. */
struct fetch {
	struct world *world;
	size_t server;
	struct bm_command *command; /* NULL: it does not run */
	bool renewed;               /* it was run for a token that was refused, and none was taken since */
};

struct world {
	struct bm_campaign *campaign;
	struct bm_run *run;
	struct bm_loop *loop;
	struct line **lines; /* by slot */
	size_t count;
	struct fetch *fetches; /* by server */
	size_t going;          /* lines that are LEAVING, PARTED or GONE */
	struct line *parted;
	size_t parted_count;
	uint64_t wall_ms;
	bool stopping; /* the engine was told */
	bool cut;      /* every connection was cut */
};

static struct line *line_at(void *user, size_t slot)
{
	struct world *world = user;
	return world->lines[slot];
}

static struct bm_server *server_of(const struct line *line)
{
	return bm_campaign_server(line->world->campaign, line->server);
}

/* In CONVERSATION, from 1; 0: the server has only one connection. */
static size_t number_of(const struct line *line)
{
	const struct bm_run_server *server = &line->world->run->servers[line->server];
	return server->slot_count > 1 ? line->slot - server->first_slot + 1 : 0;
}

static void set_state(struct line *line, enum line_state state)
{
	line->world->going += state >= LINE_LEAVING ? 1 : 0;
	line->world->going -= line->state >= LINE_LEAVING ? 1 : 0;
	line->state = state;
}

/* The connection is no more; the engine is told by tend_lines. */
static void drop(struct line *line, const struct bm_error *why)
{
	bm_connect_cancel(line->connect);
	bm_link_free(line->link);
	bm_attempt_end(&line->attempt);
	line->connect = NULL;
	line->link = NULL;
	line->why = why != NULL ? *why : (struct bm_error)BM_ERROR_INIT;
	set_state(line, LINE_GONE);
}

/* A stream is there: the greeting is awaited. On failure it is gone. */
static enum bm_code begin_talk(struct line *line, struct bm_stream *stream, struct bm_error *err)
{
	struct bm_smtp_options options = bm_server_smtp_options(server_of(line), &line->attempt);
	struct bm_smtp *smtp = NULL;

	options.pipelining = line->pipelining;
	enum bm_code code = bm_smtp_new(&smtp, &options, bm_loop_now_ms(line->world->loop), err);
	if (code != BM_OK) {
		bm_stream_free(stream);
		return code;
	}
	code = bm_link_new(&line->link, line->world->loop, smtp, stream, line, err);
	if (code != BM_OK)
		return code;
	set_state(line, LINE_GREETING);
	/* implicit TLS: the handshake was asked for already */
	bm_link_stir(line->link);
	return BM_OK;
}

static void on_connected(void *user, struct bm_stream *stream, const struct bm_error *why)
{
	struct line *line = user;
	struct bm_error err = BM_ERROR_INIT;

	line->connect = NULL;
	if (stream == NULL)
		drop(line, why);
	else if (begin_talk(line, stream, &err) != BM_OK)
		drop(line, &err);
}

static enum bm_code connect_line(struct line *line, struct bm_error *err)
{
	struct bm_server *server = server_of(line);
	struct bm_stream *stream = NULL;
	struct bm_tcp_options tcp;
	enum bm_code code;

	if (server->options.dummy_file != NULL) {
		code = bm_stream_open_dummy(&stream, server->options.dummy_file, err);
		return code == BM_OK ? begin_talk(line, stream, err) : code;
	}
	code = bm_server_tcp_options(server, &tcp, err);
	if (code == BM_OK)
		code = bm_connect_start(&line->connect, line->world->loop, &tcp, NULL, on_connected, line, err);
	if (code == BM_OK)
		set_state(line, LINE_CONNECTING);
	return code;
}

static bool waits_for(const struct line *line, const struct fetch *fetch)
{
	return line->state == LINE_WAITING && line->server == fetch->server;
}

/* Those that wait go on; without a secret they fail for `why`, those whose token was refused in vain for that. */
static void end_waits(const struct fetch *fetch, bool had, bool another, const struct bm_error *why)
{
	struct world *world = fetch->world;

	for (size_t i = 0; i < world->count; i++) {
		struct line *line = world->lines[i];
		struct bm_error err = *why;
		if (!waits_for(line, fetch))
			continue;
		bool refused = line->why.code != BM_OK;
		if (refused && !another)
			drop(line, &line->why);
		else if (!had || connect_line(line, &err) != BM_OK)
			drop(line, &err);
	}
}

static void on_secret(void *user, struct bm_secret *secret, const struct bm_error *why)
{
	struct fetch *fetch = user;
	struct bm_server *server = bm_campaign_server(fetch->world->campaign, fetch->server);
	struct bm_error err = secret == NULL ? *why : (struct bm_error)BM_ERROR_INIT;
	bool had = secret != NULL;
	bool another = had && (server->login == NULL || !bm_login_equals(server->login, secret));

	fetch->command = NULL;
	if (!had)
		bm_server_no_password(server, &err);
	else if (bm_server_take_secret(server, secret, bm_loop_now_ms(fetch->world->loop), &err) != BM_OK)
		had = false;
	end_waits(fetch, had, another && had, &err);
}

/* The line waits until password_command has printed something; it is run but once at a time. */
static enum bm_code fetch_secret(struct line *line, struct bm_error *err)
{
	struct fetch *fetch = &line->world->fetches[line->server];
	struct bm_server *server = server_of(line);
	enum bm_code code = BM_OK;

	if (fetch->command == NULL)
		code = bm_command_start(
			&fetch->command, line->world->loop, server->options.password_command, on_secret, fetch, err);
	if (code != BM_OK)
		return bm_server_no_password(server, err);
	set_state(line, LINE_WAITING);
	return BM_OK;
}

static enum bm_code begin(struct line *line, struct bm_error *err)
{
	struct bm_server *server = server_of(line);

	enum bm_code code = bm_server_check_worth(server, err);
	if (code != BM_OK || !bm_server_lacks_secret(server, bm_loop_now_ms(line->world->loop)))
		return code == BM_OK ? connect_line(line, err) : code;
	/* of that the engine hears as of every login that failed */
	if (fetch_secret(line, err) != BM_OK)
		drop(line, err);
	return BM_OK;
}

static enum bm_code port_open(
	void *user, size_t slot, size_t server, enum bm_smtp_pipelining pipelining, struct bm_error *err)
{
	struct line *line = line_at(user, slot);

	*line = (struct line){.world = user, .slot = slot, .server = server, .pipelining = pipelining};
	return begin(line, err);
}

/* Says what is next of the goodbye, as far as the talk allows. */
static void go_on_leaving(struct line *line)
{
	struct bm_smtp *smtp = line->link->smtp;
	uint64_t now_ms = bm_loop_now_ms(line->world->loop);

	if (!bm_smtp_idle(smtp) || line->said_quit)
		return;
	enum bm_code code =
		line->said_rset ? bm_smtp_quit(smtp, now_ms, NULL) : bm_smtp_talk(smtp, bm_span_of("RSET"), now_ms, NULL);
	line->said_quit = line->said_rset;
	line->said_rset = true;
	if (code != BM_OK)
		line->leave_by_ms = now_ms;
	else if (line->said_quit)
		set_state(line, LINE_PARTED);
	bm_link_stir(line->link);
}

static void port_close(void *user, size_t slot)
{
	struct line *line = line_at(user, slot);

	if (line->state != LINE_OPEN) {
		drop(line, NULL);
		return;
	}
	line->leave_by_ms = bm_loop_now_ms(line->world->loop) + GOODBYE_MS;
	set_state(line, LINE_LEAVING);
	go_on_leaving(line);
}

static size_t port_room(void *user, size_t slot)
{
	const struct line *line = line_at(user, slot);
	return line->state == LINE_OPEN ? bm_smtp_room(line->link->smtp) : 0;
}

static uint64_t port_errors(void *user, size_t slot)
{
	const struct line *line = line_at(user, slot);
	return line->link != NULL ? bm_smtp_errors(line->link->smtp) : 0;
}

static const struct bm_smtp_capabilities *port_capabilities(void *user, size_t slot)
{
	return bm_smtp_capabilities(line_at(user, slot)->link->smtp);
}

static enum bm_code port_submit(
	void *user, size_t slot, const struct bm_smtp_transaction *transaction, struct bm_error *err)
{
	struct line *line = line_at(user, slot);

	if (line->state != LINE_OPEN)
		return bm_error_set(err, BM_E_CLOSED, "", "%s: the connection is gone", server_of(line)->name);
	enum bm_code code = bm_smtp_submit(line->link->smtp, transaction, bm_loop_now_ms(line->world->loop), err);
	if (code == BM_OK)
		bm_link_stir(line->link);
	return code;
}

static bool port_awaiting(void *user, size_t slot, uint64_t *since_us, uint64_t *round_trip_us)
{
	const struct line *line = line_at(user, slot);
	return line->link != NULL && bm_link_awaiting(line->link, since_us, round_trip_us);
}

static uint64_t port_now(void *user)
{
	const struct world *world = user;
	return bm_loop_now_ms(world->loop);
}

static uint64_t port_wall(void *user)
{
	const struct world *world = user;
	return world->wall_ms;
}

/* A list from a pipe may be silent for long: the loop is told to wake us, and the engine to come again. */
static bool may_read(void *user, int fd)
{
	struct world *world = user;
	return bm_wait(fd, POLLIN, 0, NULL) == BM_WAIT_READY || !bm_loop_watch(world->loop, fd);
}

static enum bm_code port_next(void *user, struct bm_record *record, struct bm_error *err)
{
	struct world *world = user;
	enum bm_code code = bm_recipients_next(world->campaign->recipients, record, err);
	return code == BM_E_STOPPED ? BM_E_TIMEOUT : code;
}

static bool port_finite(void *user)
{
	const struct world *world = user;
	return bm_recipients_finite(world->campaign->recipients);
}

static struct bm_policy *port_policy(void *user, size_t server)
{
	const struct world *world = user;
	return &bm_campaign_server(world->campaign, server)->policy;
}

static const struct bm_server_options *port_options(void *user, size_t server)
{
	const struct world *world = user;
	return &bm_campaign_server(world->campaign, server)->options;
}

static const char *port_server_name(void *user, size_t server)
{
	const struct world *world = user;
	return bm_campaign_server(world->campaign, server)->name;
}

static void port_outcome(void *user, const struct bm_outcome *outcome)
{
	const struct world *world = user;
	bm_campaign_record(world->campaign, outcome);
}

static void port_log(void *user, const struct bm_error *err)
{
	const struct world *world = user;
	bm_campaign_log(world->campaign, err);
}

static const struct bm_port port_of_world = {
	.now_ms = port_now,
	.wall_ms = port_wall,
	.next_record = port_next,
	.finite = port_finite,
	.policy = port_policy,
	.options = port_options,
	.server_name = port_server_name,
	.open = port_open,
	.close = port_close,
	.room = port_room,
	.errors = port_errors,
	.capabilities = port_capabilities,
	.submit = port_submit,
	.awaiting = port_awaiting,
	.outcome = port_outcome,
	.log = port_log,
};

/* A stream over a long wire needs more on the way to keep it busy; what is on the way is what a cut leaves in doubt. */
static size_t wanted_depth(const struct bm_link *link)
{
	uint64_t since_us = 0;
	uint64_t round_trip_us = 0;

	(void)bm_link_awaiting(link, &since_us, &round_trip_us);
	uint64_t depth = round_trip_us * DEPTH_A_MILLISECOND / 1000;
	if (depth > DEPTH_MAX)
		return DEPTH_MAX;
	return depth < BM_DEPTH_MIN ? BM_DEPTH_MIN : (size_t)depth;
}

static void take_ready(struct line *line)
{
	struct bm_server *server = server_of(line);

	set_state(line, LINE_OPEN);
	server->connections++;
	if (line->attempt.login == server->login)
		line->world->fetches[line->server].renewed = false;
	/* The talk is listened to no longer than it is written down. */
	bm_smtp_set_tell(line->link->smtp, server->conversation != NULL);
	if (server->options.pipeline_depth == 0)
		bm_smtp_set_depth(line->link->smtp, wanted_depth(line->link));
	bm_run_opened(line->world->run, line->slot);
}

/* The machine asked for TLS, unless its session has ended already. */
static void take_secure(struct line *line)
{
	struct bm_server *server = server_of(line);
	struct bm_smtp *smtp = line->link->smtp;
	struct bm_error err = BM_ERROR_INIT;
	bool live = bm_smtp_deadline(smtp) != BM_SMTP_NEVER;

	if (live && bm_server_need_tls(server, &err) != BM_OK)
		bm_smtp_lost(smtp, err.text, bm_loop_now_ms(line->world->loop));
	else if (live)
		bm_link_secure(line->link, server->tls);
	line->attempt.suspect = bm_smtp_deadline(smtp) == BM_SMTP_NEVER;
	bm_link_stir(line->link);
}

/* The token was refused: another may be there already, or is asked for once. */
static bool renew(struct line *line, struct bm_error *err)
{
	struct fetch *fetch = &line->world->fetches[line->server];
	bool newer = line->attempt.login != server_of(line)->login;

	if (fetch->renewed && fetch->command == NULL && !newer)
		return false;
	line->why = *err;
	if (newer && fetch->command == NULL)
		return begin(line, err) == BM_OK;
	fetch->renewed = true;
	return fetch_secret(line, err) == BM_OK;
}

/* A session that ended before it was READY is begun anew where that may help; the engine need not know. */
static bool begins_again(struct line *line, const struct bm_smtp_event *event, struct bm_error *err)
{
	if (line->world->stopping)
		return false;
	/* The texts of the event are the link's. */
	bool clear = bm_attempt_goes_clear(&line->attempt, server_of(line), event);
	bool lacking = bm_attempt_lacks_token(&line->attempt, event);
	bm_link_free(line->link);
	line->link = NULL;
	line->why = (struct bm_error)BM_ERROR_INIT;
	if (clear)
		return begin(line, err) == BM_OK;
	return lacking && renew(line, err);
}

static void take_closed(struct line *line, const struct bm_smtp_event *event)
{
	struct world *world = line->world;
	struct bm_error err = BM_ERROR_INIT;
	const struct bm_error *why = line->state == LINE_LEAVING || world->cut ? NULL : &err;

	if (line->state == LINE_PARTED) {
		drop(line, NULL);
		return;
	}
	if (line->state == LINE_GREETING) {
		bm_server_connect_error(server_of(line), &line->attempt, event, &err);
		if (begins_again(line, event, &err))
			return;
	} else {
		bm_server_end_error(server_of(line), event, &err);
	}
	bm_link_free(line->link);
	bm_attempt_end(&line->attempt);
	line->link = NULL;
	set_state(line, LINE_FREE);
	bm_run_closed(world->run, line->slot, why, event->stumbled);
}

static void take_event(struct line *line, const struct bm_smtp_event *event)
{
	switch (event->kind) {
	case BM_SMTP_RECIPIENT:
	case BM_SMTP_TRANSACTION:
		bm_run_event(line->world->run, line->slot, event);
		break;
	case BM_SMTP_SAID:
	case BM_SMTP_REPLY:
		bm_attempt_hear(&line->attempt, server_of(line), number_of(line), bm_link_stream(line->link), event);
		break;
	case BM_SMTP_SECURE:
		bm_attempt_hear(&line->attempt, server_of(line), number_of(line), bm_link_stream(line->link), event);
		take_secure(line);
		break;
	case BM_SMTP_READY:
		take_ready(line);
		break;
	case BM_SMTP_CLOSED:
		take_closed(line, event);
		break;
	}
}

static void take_events(struct line *line)
{
	struct bm_smtp_event event;

	while (line->link != NULL && bm_smtp_next_event(line->link->smtp, &event))
		take_event(line, &event);
	if (line->link != NULL && line->state == LINE_LEAVING)
		go_on_leaving(line);
}

static bool is_late(const struct line *line)
{
	bool leaves = line->state == LINE_LEAVING || line->state == LINE_PARTED;
	return leaves && bm_loop_now_ms(line->world->loop) >= line->leave_by_ms;
}

/* A goodbye goes on without its slot, which gets a line anew; without memory it ends. */
static void part(struct line *line)
{
	struct world *world = line->world;
	struct line *fresh = calloc(1, sizeof *fresh);
	struct line **end = &world->parted;

	if (fresh == NULL) {
		drop(line, NULL);
		return;
	}
	*fresh = (struct line){.world = world, .slot = line->slot};
	world->lines[line->slot] = fresh;
	while (*end != NULL)
		end = &(*end)->next;
	*end = line;
	world->parted_count++;
}

/* Ends goodbyes that were answered or take too long; the oldest too when there are more than connections. */
static void tend_parted(struct world *world)
{
	struct line **at = &world->parted;

	while (*at != NULL) {
		struct line *line = *at;
		if (is_late(line) || world->parted_count > world->count)
			drop(line, NULL);
		if (line->state != LINE_GONE) {
			at = &line->next;
			continue;
		}
		set_state(line, LINE_FREE);
		*at = line->next;
		world->parted_count--;
		free(line);
	}
}

/* Tells the engine of connections that are gone, and ends goodbyes that take too long. */
static void tend_lines(struct world *world)
{
	if (world->going == 0)
		return;
	for (size_t i = 0; i < world->count; i++) {
		struct line *line = world->lines[i];
		if (is_late(line))
			drop(line, NULL);
		if (line->state == LINE_PARTED)
			part(line);
		else if (line->state != LINE_GONE)
			continue;
		if (line->state == LINE_GONE)
			set_state(line, LINE_FREE);
		bm_run_closed(world->run, i, line->why.code == BM_OK ? NULL : &line->why, false);
	}
	tend_parted(world);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* When the world itself has something to do. */
static uint64_t next_of_world(const struct world *world)
{
	uint64_t next_ms = bm_campaign_next_pulse(world->campaign);

	for (size_t i = 0; world->going > 0 && i < world->count; i++) {
		const struct line *line = world->lines[i];
		if (line->state == LINE_GONE || line->state == LINE_PARTED)
			return 0;
		if (line->state == LINE_LEAVING)
			next_ms = earlier(next_ms, line->leave_by_ms);
	}
	for (const struct line *line = world->parted; line != NULL; line = line->next)
		next_ms = earlier(next_ms, line->leave_by_ms);
	return next_ms;
}

static void take_all_events(struct world *world)
{
	struct bm_link *link = bm_loop_next_touched(world->loop);

	for (; link != NULL; link = bm_loop_next_touched(world->loop))
		take_events(link->user);
}

/* Cuts every connection; the machines say what that leaves in doubt. */
static void cut(struct world *world)
{
	world->cut = true;
	world->stopping = true;
	bm_run_stop(world->run);
	for (size_t i = 0; i < world->count; i++) {
		struct line *line = world->lines[i];
		if (line->link != NULL) {
			bm_smtp_cut(line->link->smtp, "stopped", bm_loop_now_ms(world->loop));
			take_events(line);
		} else if (line->state == LINE_WAITING || line->state == LINE_CONNECTING) {
			drop(line, NULL);
		}
	}
	for (struct line *line = world->parted; line != NULL; line = line->next)
		line->leave_by_ms = 0;
	tend_lines(world);
}

/* Whoever cannot write down what it does must not go on doing it. */
static unsigned stops(const struct world *world)
{
	unsigned asked = bm_waker_count(world->campaign->waker);
	return asked == 0 && world->campaign->failure.code != BM_OK ? 1 : asked;
}

/* The first half of a round: what happened. */
static void hear(struct world *world, uint64_t until_ms)
{
	uint64_t worked_from_us = bm_loop_now_us(world->loop);

	bm_loop_wait(world->loop, earlier(until_ms, next_of_world(world)));
	bm_run_worked(world->run, worked_from_us, bm_loop_slept_us(world->loop));
	bm_run_waited(world->run, bm_loop_slept_us(world->loop), bm_loop_now_us(world->loop));
	world->wall_ms = bm_clock_wall_ms();
	take_all_events(world);
	tend_lines(world);
	if (stops(world) > 1 && !world->cut)
		cut(world);
}

/* The second half: what is to be said. */
static enum bm_code say(struct world *world, struct bm_error *err)
{
	enum bm_code code = bm_journal_commit(world->campaign->journal, err);

	if (code == BM_OK)
		bm_loop_write(world->loop);
	bm_campaign_settle(world->campaign);
	bm_campaign_pulse(world->campaign, bm_loop_now_ms(world->loop));
	return code;
}

static enum bm_code stopped(struct bm_error *err)
{
	return bm_error_set(err, BM_E_STOPPED, "", "stopped");
}

/* BM_OK or BM_E_STOPPED: the engine has finished. */
static enum bm_code go_rounds(struct world *world, struct bm_error *err)
{
	uint64_t next_ms = 0;
	bool finished = false;

	for (;;) {
		if (stops(world) > 0 && !world->stopping) {
			world->stopping = true;
			bm_run_stop(world->run);
		}
		enum bm_code code = bm_run_advance(world->run, &next_ms, &finished, err);
		if (code == BM_OK)
			code = say(world, err);
		if (code != BM_OK || finished)
			return code != BM_OK || !world->stopping ? code : stopped(err);
		hear(world, next_ms);
	}
}

static bool is_busy(const struct world *world)
{
	for (size_t i = 0; i < world->count; i++) {
		if (world->lines[i]->state != LINE_FREE)
			return true;
	}
	return false;
}

/* Connections that have nothing under way are left in good order. */
static void leave_idle(struct world *world)
{
	for (size_t i = 0; i < world->count; i++) {
		const struct line *line = world->lines[i];
		bool begun = line->state >= LINE_WAITING && line->state <= LINE_GREETING;
		if (begun || (line->state == LINE_OPEN && bm_smtp_idle(line->link->smtp)))
			port_close(world, i);
	}
}

/* The campaign has failed: what is under way is finished, and every connection left. */
static void wind_up(struct world *world)
{
	struct bm_error err = BM_ERROR_INIT;

	leave_idle(world);
	while (is_busy(world)) {
		if (say(world, &err) != BM_OK)
			cut(world);
		hear(world, UINT64_MAX);
		leave_idle(world);
	}
	bm_run_finish(world->run);
}

/* The engine is done; the last goodbyes are answered or take too long. */
static void end_goodbyes(struct world *world)
{
	while (world->parted != NULL) {
		bm_loop_write(world->loop);
		hear(world, UINT64_MAX);
	}
}

static void close_world(struct world *world)
{
	for (size_t i = 0; world->fetches != NULL && i < bm_servers_count(world->campaign->servers); i++)
		bm_command_cancel(world->fetches[i].command);
	bm_loop_free(world->loop);
	free(world->fetches);
	for (size_t i = 0; world->lines != NULL && i < world->count; i++)
		free(world->lines[i]);
	free(world->lines);
}

static enum bm_code open_world(struct world *world, struct bm_error *err)
{
	enum bm_code code = bm_loop_new(&world->loop, world->campaign->waker, err);

	if (code != BM_OK)
		return code;
	world->wall_ms = bm_clock_wall_ms();
	size_t servers = bm_servers_count(world->campaign->servers);
	world->lines = calloc(world->count, sizeof(struct line *));
	world->fetches = calloc(servers, sizeof *world->fetches);
	if (world->lines == NULL || world->fetches == NULL)
		return bm_error_nomem(err);
	for (size_t i = 0; i < servers; i++)
		world->fetches[i] = (struct fetch){.world = world, .server = i};
	for (size_t i = 0; i < world->count; i++) {
		world->lines[i] = calloc(1, sizeof(struct line));
		if (world->lines[i] == NULL)
			return bm_error_nomem(err);
		*world->lines[i] = (struct line){.world = world, .slot = i};
	}
	return BM_OK;
}

enum bm_code bm_world_run(struct bm_campaign *campaign, struct bm_error *err)
{
	struct world world = {.campaign = campaign, .run = &campaign->run, .count = bm_run_slots(&campaign->run)};

	enum bm_code code = open_world(&world, err);
	if (code != BM_OK) {
		close_world(&world);
		return code;
	}
	campaign->port = port_of_world;
	campaign->port.user = &world;
	bm_recipients_set_wait(campaign->recipients, may_read, &world);
	code = go_rounds(&world, err);
	if (code != BM_OK && code != BM_E_STOPPED)
		wind_up(&world);
	end_goodbyes(&world);
	bm_campaign_settle(campaign);
	bm_recipients_set_wait(campaign->recipients, NULL, NULL);
	close_world(&world);
	return code;
}
