/* SPDX-License-Identifier: MIT */
/*
 * Talks to one server: connects, says RSET, disconnects.
 *
 *	talk HOST [PORT]
 */
#include <bulkmail/bulkmail.h>
#include <stdio.h>
#include <stdlib.h>

static int fail(const struct bm_error *err)
{
	fprintf(stderr, "%s: %s\n", err->id, err->text);
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct bm_error err = BM_ERROR_INIT;
	struct bm_server *server;
	const char *reply;

	if (argc < 2) {
		fprintf(stderr, "usage: %s HOST [PORT]\n", argv[0]);
		return EXIT_FAILURE;
	}
	const struct bm_attribute attributes[] = {
		{"Smtp", argv[1]},
		{"Port", argc > 2 ? argv[2] : "25"},
		{"Domain", "localhost"},
		{"Tries", "3"},
	};
	if (bm_server_new_named(&server, attributes, sizeof attributes / sizeof attributes[0], &err) != BM_OK)
		return fail(&err);

	/* the server speaks first, then EHLO; what it offers is known from here on */
	enum bm_code code = bm_server_connect(server, &err);
	for (size_t i = 0; code == BM_OK && bm_server_capability(server, i) != NULL; i++)
		printf("it offers %s\n", bm_server_capability(server, i));

	/* one command and its whole reply, however many lines it has */
	if (code == BM_OK)
		code = bm_server_talk_and_respond(server, "RSET", &reply, &err);
	if (code == BM_OK)
		printf("it answers %s", reply);

	/* RSET, QUIT, close; bm_server_free would do it as well */
	bm_server_disconnect(server, false);
	bm_server_free(server);
	return code == BM_OK ? EXIT_SUCCESS : fail(&err);
}
