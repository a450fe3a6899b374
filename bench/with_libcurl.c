/* SPDX-License-Identifier: MIT */
/* A sender on libcurl's multi interface: one easy handle for each connection, used again message after message. */
#include "net.h"
#include "task.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLL_MS 1000
#define URL_SIZE 128

struct slot {
	CURL *easy;
	struct curl_slist *recipients;
	char *content;
	size_t size;
	size_t read;
};

struct sender {
	struct bench_task task;
	CURLM *multi;
	size_t next;
	size_t busy;
	char url[URL_SIZE];
};

static size_t read_content(char *to, size_t size, size_t count, void *user)
{
	struct slot *slot = user;
	size_t left = slot->size - slot->read;
	size_t taken = left < size * count ? left : size * count;

	memcpy(to, slot->content + slot->read, taken);
	slot->read += taken;
	return taken;
}

/* Links at the head, so in reverse: curl_slist_append walks the whole list each time. */
static struct curl_slist *recipient_list(const struct bench_task *task, size_t message)
{
	struct curl_slist *list = NULL;
	char address[BENCH_ADDRESS_SIZE];

	for (size_t i = task->recipients; i-- > 0;) {
		bench_recipient(address, message * task->recipients + i);
		struct curl_slist *head = curl_slist_append(NULL, address);
		if (head == NULL)
			bench_die("no memory");
		head->next = list;
		list = head;
	}
	return list;
}

static void slot_start(struct sender *sender, struct slot *slot)
{
	size_t message = sender->next++;

	curl_slist_free_all(slot->recipients);
	slot->recipients = recipient_list(&sender->task, message);
	slot->size = (size_t)(bench_put_content(slot->content, &sender->task, message) - slot->content);
	slot->read = 0;
	curl_easy_setopt(slot->easy, CURLOPT_MAIL_RCPT, slot->recipients);
	if (curl_multi_add_handle(sender->multi, slot->easy) != CURLM_OK)
		bench_die("curl_multi_add_handle");
	sender->busy++;
}

static void slot_init(struct sender *sender, struct slot *slot)
{
	slot->easy = curl_easy_init();
	slot->content = malloc(bench_content_max(&sender->task));
	if (slot->easy == NULL || slot->content == NULL)
		bench_die("no memory");
	curl_easy_setopt(slot->easy, CURLOPT_URL, sender->url);
	curl_easy_setopt(slot->easy, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(slot->easy, CURLOPT_MAIL_FROM, BENCH_SENDER);
	curl_easy_setopt(slot->easy, CURLOPT_READFUNCTION, read_content);
	curl_easy_setopt(slot->easy, CURLOPT_READDATA, slot);
	curl_easy_setopt(slot->easy, CURLOPT_PRIVATE, slot);
}

static void slot_deinit(struct slot *slot)
{
	curl_slist_free_all(slot->recipients);
	curl_easy_cleanup(slot->easy);
	free(slot->content);
}

static void on_done(struct sender *sender, const CURLMsg *message)
{
	struct slot *slot = NULL;

	if (message->data.result != CURLE_OK)
		bench_die(curl_easy_strerror(message->data.result));
	curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &slot);
	curl_multi_remove_handle(sender->multi, slot->easy);
	sender->busy--;
	if (sender->next < sender->task.messages)
		slot_start(sender, slot);
}

static void run(struct sender *sender)
{
	int running = 0;
	int left = 0;

	while (sender->busy > 0) {
		bool any = false;
		if (curl_multi_perform(sender->multi, &running) != CURLM_OK)
			bench_die("curl_multi_perform");
		for (const CURLMsg *message; (message = curl_multi_info_read(sender->multi, &left)) != NULL; any = true)
			if (message->msg == CURLMSG_DONE)
				on_done(sender, message);
		/* A handle just added has work at once. */
		if (!any && sender->busy > 0)
			curl_multi_poll(sender->multi, NULL, 0, POLL_MS, NULL);
	}
}

int main(int argc, char **argv)
{
	struct sender sender = {0};

	bench_task_init(&sender.task, argc, argv);
	size_t count = sender.task.connections;
	curl_global_init(CURL_GLOBAL_ALL);
	sender.multi = curl_multi_init();
	struct slot *slots = calloc(count, sizeof *slots);
	if (sender.multi == NULL || slots == NULL)
		bench_die("no memory");
	snprintf(sender.url, sizeof sender.url, "smtp://%s/client.example.com", sender.task.server);
	curl_multi_setopt(sender.multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)count);
	for (size_t i = 0; i < count; i++) {
		slot_init(&sender, &slots[i]);
		slot_start(&sender, &slots[i]);
	}
	run(&sender);
	for (size_t i = 0; i < count; i++)
		slot_deinit(&slots[i]);
	free(slots);
	curl_multi_cleanup(sender.multi);
	curl_global_cleanup();
	bench_task_deinit(&sender.task);
	return 0;
}
