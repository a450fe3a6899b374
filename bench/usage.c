/* SPDX-License-Identifier: MIT */
/*
 * Runs a command and writes what it used, as JSON, into a file. A small process has to do this: what a large parent
 * held before exec counts as its child's peak memory too.
 *
 *   usage FILE CPU SECONDS COMMAND…
 *
 * The command and its children run on that CPU (- for any) and are ended after SECONDS. Exit status: the command's.
 */
#include "net.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define CPU_MAX 1023
#define STATUS_SIGNALLED 128

static void pin(const char *cpu)
{
	cpu_set_t set;

	if (strcmp(cpu, "-") == 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(bench_number(cpu, CPU_MAX), &set);
	if (sched_setaffinity(0, sizeof set, &set) != 0)
		bench_die("cannot stay on that CPU");
}

/* The whole group, so that nothing outlives its time. */
static pid_t start(const char *cpu, char **command)
{
	pid_t pid = fork();

	if (pid < 0)
		bench_die("fork");
	if (pid > 0)
		return pid;
	setpgid(0, 0);
	bench_end_with_parent(SIGKILL);
	pin(cpu);
	execvp(command[0], command);
	bench_die(command[0]);
}

static double seconds_of(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

/* The alarm interrupts the wait. */
static void on_alarm(int number)
{
	(void)number;
}

static int wait_for(pid_t pid, uint64_t seconds, struct rusage *usage)
{
	struct sigaction action = {.sa_handler = on_alarm};
	struct itimerval limit = {.it_value = {.tv_sec = (time_t)seconds}, .it_interval = {.tv_sec = 1}};
	int status = 0;

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &limit, NULL);
	while (wait4(pid, &status, 0, usage) < 0) {
		if (errno != EINTR)
			bench_die("wait4");
		kill(-pid, SIGKILL);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : STATUS_SIGNALLED + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	struct rusage usage;

	if (argc < 5)
		return 64;
	FILE *file = fopen(argv[1], "we");
	if (file == NULL)
		bench_die(argv[1]);
	uint64_t begun = bench_now_ns();
	int status = wait_for(start(argv[2], argv + 4), bench_number(argv[3], 3600), &usage);
	double wall = (double)(bench_now_ns() - begun) / 1e9;
	fprintf(file, "{\"status\": %d, \"wall_seconds\": %.6f, \"cpu_seconds\": %.6f, \"peak_octets\": %lld}\n", status,
		wall, seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime), (long long)usage.ru_maxrss * 1024);
	if (fclose(file) != 0)
		bench_die(argv[1]);
	return status;
}
