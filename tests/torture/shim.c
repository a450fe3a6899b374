/* SPDX-License-Identifier: MIT */
/*
 * Preloaded, it makes one call of the process fail and sees that nothing leaks. All it is told stands in the
 * environment:
 *
 *   TORTURE_REPORT  a file of sizeof(struct report) octets that is mapped: counts of calls, what failed, what leaked
 *   TORTURE_CALL    which call fails: "memory", "pthread_create", or a system call of the table below
 *   TORTURE_AT      the how manieth; 0 or unset: none, all are counted
 *   TORTURE_ERRNO   with which errno
 *   TORTURE_ONLY    the system calls that are caught, with a blank behind each; unset: all of the table. A sanitizer's
 *                   search for leaks does not bear that its own are
 *   TORTURE_LEAKS   set: blocks that are not freed are counted
 *   TORTURE_CLOCK   seconds by which the wall clock jumps: forth at every 8th look, back at the next 8th
 *
 * System calls are caught by a seccomp filter that raises SIGSYS: so those that libraries and libc itself make fail too
 * (stdio, the name service), with what they do about it. Allocations are caught by interposition.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef __x86_64__
#error "the registers of other machines are not known here"
#endif

/* Those that the command makes, and can be refused. close(2) is left out: its failure changes nothing. */
#define CALLS(X)                                                                                                       \
	X(read)                                                                                                            \
	X(write)                                                                                                           \
	X(writev)                                                                                                          \
	X(openat)                                                                                                          \
	X(newfstatat)                                                                                                      \
	X(lseek)                                                                                                           \
	X(mmap)                                                                                                            \
	X(ioctl)                                                                                                           \
	X(poll)                                                                                                            \
	X(socket)                                                                                                          \
	X(connect)                                                                                                         \
	X(bind)                                                                                                            \
	X(sendto)                                                                                                          \
	X(sendmsg)                                                                                                         \
	X(sendmmsg)                                                                                                        \
	X(recvfrom)                                                                                                        \
	X(recvmsg)                                                                                                         \
	X(shutdown)                                                                                                        \
	X(getsockname)                                                                                                     \
	X(getpeername)                                                                                                     \
	X(getsockopt)                                                                                                      \
	X(setsockopt)                                                                                                      \
	X(fcntl)                                                                                                           \
	X(epoll_create1)                                                                                                   \
	X(epoll_ctl)                                                                                                       \
	X(epoll_wait)                                                                                                      \
	X(epoll_pwait)                                                                                                     \
	X(eventfd2)                                                                                                        \
	X(pipe2)                                                                                                           \
	X(getrandom)                                                                                                       \
	X(prlimit64)                                                                                                       \
	X(rename)                                                                                                          \
	X(unlink)                                                                                                          \
	X(fsync)                                                                                                           \
	X(fdatasync)                                                                                                       \
	X(uname)

struct call {
	const char *name;
	int number;
};

static const struct call calls[] = {
#define CALL(name) {#name, SYS_##name},
	CALLS(CALL)
#undef CALL
};

enum {
	CALL_COUNT = sizeof(calls) / sizeof(calls[0]),
	MEMORY = CALL_COUNT, /* counted behind the system calls */
	THREAD,
	COUNTERS,
	BLOCKS = 1 << 18,
	PLACE_MAX = 64,
};

/* The same layout as in tests/e2e/lib/torture.py. */
struct report {
	uint64_t counts[64];    /* by the order of the table, then memory, pthread_create */
	uint64_t failed;        /* 1: the call failed as it was to */
	uint64_t ended;         /* 1: the process went through exit(3) */
	uint64_t leaks;         /* blocks of our own code and its small libraries that nobody freed */
	uint64_t crypto;        /* blocks of OpenSSL's that nobody freed: it keeps some */
	char place[PLACE_MAX];  /* the library that made the call which failed: library+offset */
	char leak[PLACE_MAX];   /* whence the first of the leaks is */
	char within[PLACE_MAX]; /* what was called of libc or of the library; or in what the process aborted */
	uint64_t received;      /* octets that recv(2) and its kind gave */
	uint64_t peak_kib;      /* VmHWM */
	uint64_t descriptors;   /* open at the end, but for the first three */
};
_Static_assert(COUNTERS <= 64, "the report has room for 64 counters");

struct block {
	void *data;
	const void *caller;
};

static struct report nowhere;
static struct report *report = &nowhere;
static struct block *blocks;
static int blocks_lock;
static int wanted = -1; /* the counter of the call that fails */
static uint64_t wanted_at;
static int wanted_errno;
static time_t jump;
static atomic_uint looks;
static int (*next_pthread_create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
static int (*next_sigmask)(int, const sigset_t *, sigset_t *);

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *data, size_t size);
void __libc_free(void *data);

/* The file's name of the library, without its folder. */
static const char *library_of(const void *caller, uintptr_t *offset)
{
	Dl_info info;
	if (dladdr(caller, &info) == 0 || info.dli_fname == NULL)
		return "?";
	const char *slash = strrchr(info.dli_fname, '/');
	*offset = (uintptr_t)caller - (uintptr_t)info.dli_fbase;
	return slash == NULL ? info.dli_fname : slash + 1;
}

/* "libuv.so.1+1a2b"; no stdio in here. */
static void note_place(char *out, const void *caller)
{
	uintptr_t offset = 0;
	size_t used = 0;

	for (const char *at = library_of(caller, &offset); *at != '\0' && used < PLACE_MAX - 20; at++)
		out[used++] = *at;
	out[used++] = '+';
	for (int shift = 28; shift >= 0; shift -= 4)
		out[used++] = "0123456789abcdef"[offset >> shift & 15];
	out[used] = '\0';
}

static bool is_of_libc(const char *library)
{
	return strncmp(library, "libc.so", 7) == 0 || strncmp(library, "ld-linux", 8) == 0;
}

static const char *symbol_of(const void *address)
{
	Dl_info info;
	return dladdr(address, &info) != 0 && info.dli_sname != NULL ? info.dli_sname : "";
}

/* Who called, above this library and libc. */
static void note_failure(void)
{
	void *frames[32];
	uintptr_t offset = 0;
	int count = backtrace(frames, 32);

	for (int i = 0; i < count; i++) {
		const char *library = library_of(frames[i], &offset);
		if (is_of_libc(library))
			strncpy(report->within, symbol_of(frames[i]), PLACE_MAX - 1);
		if (is_of_libc(library) || library[0] == '?' || strncmp(library, "libtorture", 10) == 0)
			continue;
		note_place(report->place, frames[i]);
		if (report->within[0] == '\0')
			strncpy(report->within, symbol_of(frames[i]), PLACE_MAX - 1);
		return;
	}
}

/* It aborts while OpenSSL cleans up at exit. */
static void aborted(int number)
{
	static const char name[] = "OPENSSL_cleanup";
	void *frames[32];
	int count = backtrace(frames, 32);

	for (int i = 0; i < count; i++) {
		if (strcmp(symbol_of(frames[i]), name) == 0)
			memcpy(report->within, name, sizeof name);
	}
	signal(number, SIG_DFL);
}

static bool fails(int counter)
{
	uint64_t count = __atomic_add_fetch(&report->counts[counter], 1, __ATOMIC_RELAXED);
	if (counter != wanted || count != wanted_at)
		return false;
	report->failed = 1;
	note_failure();
	return true;
}

/* ---- system calls */

/* The one place that the filter lets through. */
long torture_syscall(long number, long a, long b, long c, long d, long e, long f);
extern char torture_syscall_end[];
__asm__(".text\n"
		".globl torture_syscall\n"
		".hidden torture_syscall\n"
		".type torture_syscall, @function\n"
		"torture_syscall:\n"
		"	mov %rdi, %rax\n"
		"	mov %rsi, %rdi\n"
		"	mov %rdx, %rsi\n"
		"	mov %rcx, %rdx\n"
		"	mov %r8, %r10\n"
		"	mov %r9, %r8\n"
		"	mov 8(%rsp), %r9\n"
		"	syscall\n"
		".globl torture_syscall_end\n"
		".hidden torture_syscall_end\n"
		"torture_syscall_end:\n"
		"	ret\n");

static int counter_of(int number)
{
	for (int i = 0; i < CALL_COUNT; i++) {
		if (calls[i].number == number)
			return i;
	}
	return -1;
}

static void caught(int signal, siginfo_t *info, void *context)
{
	greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
	int saved = errno;
	int counter = counter_of(info->si_syscall);

	(void)signal;
	if (counter >= 0 && fails(counter)) {
		registers[REG_RAX] = -wanted_errno;
		errno = saved;
		return;
	}
	registers[REG_RAX] = torture_syscall(info->si_syscall, registers[REG_RDI], registers[REG_RSI], registers[REG_RDX],
		registers[REG_R10], registers[REG_R8], registers[REG_R9]);
	bool receives = info->si_syscall == SYS_recvfrom || info->si_syscall == SYS_recvmsg;
	if (receives && registers[REG_RAX] > 0)
		__atomic_add_fetch(&report->received, (uint64_t)registers[REG_RAX], __ATOMIC_RELAXED);
	errno = saved;
}

#define LOAD(member) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (offsetof(struct seccomp_data, member)))

static bool is_listed(const char *list, const char *name)
{
	size_t size = strlen(name);

	for (const char *at = strstr(list, name); at != NULL; at = strstr(at + 1, name)) {
		if ((at == list || at[-1] == ' ') && at[size] == ' ')
			return true;
	}
	return false;
}

/* All calls of the table when they are counted, else the one that is to fail. */
static void install_filter(void)
{
	struct sock_filter filter[8 + 2 * CALL_COUNT];
	unsigned short n = 0;
	const char *only = getenv("TORTURE_ONLY");
	uint64_t gate = (uint64_t)(uintptr_t)torture_syscall_end;

	filter[n++] = (struct sock_filter)LOAD(instruction_pointer);
	filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)gate, 0, 3);
	filter[n++] =
		(struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4);
	filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(gate >> 32), 0, 1);
	filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	filter[n++] = (struct sock_filter)LOAD(nr);
	for (int i = 0; i < CALL_COUNT; i++) {
		if ((wanted >= 0 && wanted != i) || (only != NULL && !is_listed(only, calls[i].name)))
			continue;
		filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)calls[i].number, 0, 1);
		filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
	}
	filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);

	struct sigaction action = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART};
	struct sock_fprog program = {.len = n, .filter = filter};
	if (sigaction(SIGSYS, &action, NULL) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		abort();
}

/* A thread that blocks SIGSYS would be killed by the filter. */
int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
	sigset_t but;
	if (next_sigmask == NULL)
		next_sigmask = (int (*)(int, const sigset_t *, sigset_t *))dlsym(RTLD_NEXT, "pthread_sigmask");
	if (set != NULL && how != SIG_UNBLOCK) {
		but = *set;
		sigdelset(&but, SIGSYS);
		set = &but;
	}
	return next_sigmask(how, set, old);
}

int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	errno = pthread_sigmask(how, set, old);
	return errno == 0 ? 0 : -1;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *user)
{
	if (fails(THREAD))
		return EAGAIN;
	return next_pthread_create(thread, attr, start, user);
}

/* ---- memory */

static void lock_blocks(void)
{
	while (__atomic_exchange_n(&blocks_lock, 1, __ATOMIC_ACQUIRE) != 0) {
	}
}

static void unlock_blocks(void)
{
	__atomic_store_n(&blocks_lock, 0, __ATOMIC_RELEASE);
}

static size_t slot_of(const void *data)
{
	return ((uintptr_t)data >> 4) * 0x9e3779b97f4a7c15U >> 46 & (BLOCKS - 1);
}

static void remember(void *data, const void *caller)
{
	if (data == NULL || blocks == NULL)
		return;
	lock_blocks();
	size_t at = slot_of(data);
	while (blocks[at].data != NULL)
		at = (at + 1) & (BLOCKS - 1);
	blocks[at] = (struct block){data, caller};
	unlock_blocks();
}

/* Linear probing: whoever stood behind the gap moves up. */
static void close_gap(size_t gap)
{
	for (size_t at = (gap + 1) & (BLOCKS - 1); blocks[at].data != NULL; at = (at + 1) & (BLOCKS - 1)) {
		size_t home = slot_of(blocks[at].data);
		if (((at - home) & (BLOCKS - 1)) >= ((at - gap) & (BLOCKS - 1))) {
			blocks[gap] = blocks[at];
			gap = at;
		}
	}
	blocks[gap].data = NULL;
}

static void forget(const void *data)
{
	if (data == NULL || blocks == NULL)
		return;
	lock_blocks();
	size_t at = slot_of(data);
	while (blocks[at].data != NULL && blocks[at].data != data)
		at = (at + 1) & (BLOCKS - 1);
	if (blocks[at].data != NULL)
		close_gap(at);
	unlock_blocks();
}

static bool no_memory(void)
{
	if (!fails(MEMORY))
		return false;
	errno = ENOMEM;
	return true;
}

static void *kept(void *data, const void *caller)
{
	remember(data, caller);
	return data;
}

void *malloc(size_t size)
{
	const void *caller = __builtin_return_address(0);
	return no_memory() ? NULL : kept(__libc_malloc(size), caller);
}

void *calloc(size_t items, size_t size)
{
	const void *caller = __builtin_return_address(0);
	return no_memory() ? NULL : kept(__libc_calloc(items, size), caller);
}

static void *resize(void *data, size_t size, const void *caller)
{
	if (no_memory())
		return NULL;
	forget(data);
	void *moved = __libc_realloc(data, size);
	remember(moved == NULL && size > 0 ? data : moved, caller);
	return moved;
}

void *realloc(void *data, size_t size)
{
	return resize(data, size, __builtin_return_address(0));
}

void *reallocarray(void *data, size_t items, size_t size)
{
	size_t total = 0;
	if (__builtin_mul_overflow(items, size, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	return resize(data, total, __builtin_return_address(0));
}

char *strndup(const char *text, size_t most)
{
	const void *caller = __builtin_return_address(0);
	size_t size = strnlen(text, most);
	char *copy = no_memory() ? NULL : kept(__libc_malloc(size + 1), caller);
	if (copy == NULL)
		return NULL;
	copy[size] = '\0';
	return memcpy(copy, text, size);
}

char *strdup(const char *text)
{
	const void *caller = __builtin_return_address(0);
	size_t size = strlen(text) + 1;
	char *copy = no_memory() ? NULL : kept(__libc_malloc(size), caller);
	return copy == NULL ? NULL : memcpy(copy, text, size);
}

void free(void *data)
{
	forget(data);
	__libc_free(data);
}

/* ---- the wall clock */

/* Deadlines must not hang on it: it goes forth and back by TORTURE_CLOCK seconds, again and again. */
static time_t leap(void)
{
	return jump != 0 && (atomic_fetch_add(&looks, 1) / 8) % 2 == 1 ? jump : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	static int (*next)(clockid_t, struct timespec *);
	if (next == NULL)
		next = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	int done = next(clock, now);
	if (done == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		now->tv_sec += leap();
	return done;
}

time_t time(time_t *out)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (out != NULL)
		*out = now.tv_sec;
	return now.tv_sec;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
	struct timespec now;
	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	*out = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
	return 0;
}

/* ---- the two ends of the process */

static void choose(const char *name)
{
	for (int i = 0; name != NULL && i < CALL_COUNT; i++) {
		if (strcmp(calls[i].name, name) == 0)
			wanted = i;
	}
	if (name != NULL && strcmp(name, "memory") == 0)
		wanted = MEMORY;
	if (name != NULL && strcmp(name, "pthread_create") == 0)
		wanted = THREAD;
}

static uint64_t number_of(const char *name)
{
	const char *value = getenv(name);
	return value == NULL ? 0 : (uint64_t)strtoll(value, NULL, 10);
}

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("TORTURE_REPORT");

	void *frame[1];
	backtrace(frame, 1); /* loads what it needs */
	next_pthread_create =
		(int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))dlsym(RTLD_NEXT, "pthread_create");
	jump = (time_t)number_of("TORTURE_CLOCK");
	int descriptor = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
	if (descriptor < 0)
		return;
	void *mapped = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
	void *table = mmap(NULL, BLOCKS * sizeof(*blocks), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	close(descriptor);
	if (mapped == MAP_FAILED || table == MAP_FAILED)
		abort();
	wanted_at = number_of("TORTURE_AT");
	wanted_errno = (int)number_of("TORTURE_ERRNO");
	if (wanted_at > 0)
		choose(getenv("TORTURE_CALL"));
	report = mapped;
	blocks = getenv("TORTURE_LEAKS") == NULL ? NULL : table;
	signal(SIGABRT, aborted);
	if (wanted < CALL_COUNT)
		install_filter();
}

/* What libc and the linker keep is their own. */
static void count_leak(const struct block *block)
{
	uintptr_t offset = 0;
	const char *library = library_of(block->caller, &offset);

	if (is_of_libc(library) || library[0] == '?')
		return;
	if (strncmp(library, "libcrypto", 9) == 0 || strncmp(library, "libssl", 6) == 0) {
		report->crypto++;
		return;
	}
	if (report->leaks++ == 0)
		note_place(report->leak, block->caller);
}

static void note_peak(void)
{
	char text[4096];
	int descriptor = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t size = descriptor < 0 ? -1 : read(descriptor, text, sizeof text - 1);
	close(descriptor);
	text[size < 0 ? 0 : size] = '\0';
	const char *peak = strstr(text, "VmHWM:");
	report->peak_kib = peak == NULL ? 0 : strtoull(peak + 6, NULL, 10);
}

enum { DESCRIPTORS = 1024 };

/* By calls that are never caught. */
static void count_descriptors(void)
{
	for (long descriptor = 3; descriptor < DESCRIPTORS; descriptor++)
		report->descriptors += torture_syscall(SYS_fcntl, descriptor, F_GETFD, 0, 0, 0, 0) >= 0;
}

__attribute__((destructor)) static void end(void)
{
	for (size_t i = 0; blocks != NULL && i < BLOCKS; i++) {
		if (blocks[i].data != NULL)
			count_leak(&blocks[i]);
	}
	count_descriptors();
	note_peak();
	report->ended = 1;
}
