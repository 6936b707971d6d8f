/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
/*
 * What the vm suite runs inside its virtual machines: static, so that it works in any initrd and
 * as the only program of a root file system. As process 1 it obeys the orders on the kernel command
 * line (vmtest=ORDER,ORDER...), sends as "end" by what name it was started, and powers off; else
 * the orders are its arguments.
 *
 *	hash=PATH       SHA-256 of a file or device, or of every file of a tree's file system
 *	file=PATH       send a file
 *	pcr=N           send SHA-256 PCR N
 *	extend=N:TEXT   extend SHA-256 PCR N by SHA-256(TEXT)
 *	digest=N:HEX    extend SHA-256 PCR N by a digest as it is
 *	unseal=PATH     unseal the blob in a file (see order_unseal()), send the TPM's answer
 *	write=PATH:TEXT make a file of 1 MiB that repeats a text
 *	put=PATH:HEX    write bytes to a file that is there, at once
 *	copy=FROM:TO    copy a file, or every file of a folder
 *	open=PATH       can PATH be opened? send the answer
 *	wait=PATH       wait until PATH exists, at most a minute
 *	fetch=ADDR/PORT connect by TCP, for at most a minute of attempts; send what it says
 *	ends=COMMAND    run a command whose power-off shall end only itself; send how it ended
 *	run=COMMAND     run a command; send "status N", a line feed, and what it wrote
 *	program=WORDS   wait until a process has this command line; send its /proc/PID/status
 *	gone=WORDS      wait until no process has this command line, at most five minutes
 *	plant=TEXT      keep SHA-256(TEXT) in a page of this process
 *	pages           send what the kernel uses each page for (see order_pages())
 *	hold            say so on the console, and wait until the machine is killed
 *	processes=PATH  for a while, add the arguments and environments of all processes to a file
 *	crash           make the service manager crash
 *	mount           mount /proc, /sys, /dev where they are not
 *	poweroff
 *
 * Results go to the second serial port, each as "@vmtest NAME SIZE\n", the bytes, "\n", where NAME
 * is the order.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "sha256.h"

#define RESULTS	     "/dev/ttyS1"
#define TPM	     "/dev/tpmrm0"
#define WAIT_SECONDS 60

static int results_fd = -1;

static void write_all(int fd, const void *data, size_t size)
{
	const char *next = data;

	while (size > 0) {
		ssize_t n = write(fd, next, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* the host sees a result that is cut short */
		next += n;
		size -= (size_t)n;
	}
}

static void send_result(const char *name, const void *data, size_t size)
{
	char head[512];
	int n = snprintf(head, sizeof(head), "@vmtest %s %zu\n", name, size);

	write_all(results_fd, head, (size_t)n);
	write_all(results_fd, data, size);
	write_all(results_fd, "\n", 1);
}

__attribute__((format(printf, 2, 3))) static void send_text(const char *name, const char *format,
							    ...)
{
	char text[1024];
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	send_result(name, text, (size_t)n);
}

static void send_error(const char *name)
{
	send_text(name, "error %s", strerror(errno));
}

/* ---- Files ---- */

static char *hash_text;
static size_t hash_text_size;

static int hash_file(const char *path, char ret[static 65])
{
	static uint8_t buffer[1 << 20];
	uint8_t digest[32];
	struct sha256 context;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	sha256_start(&context);
	while (fd >= 0 && (n = read(fd, buffer, sizeof(buffer))) > 0)
		sha256_update(&context, buffer, (size_t)n);
	sha256_finish(&context, digest);
	if (fd >= 0)
		close(fd);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(ret + 2 * i, 3, "%02x", digest[i]);
	return n < 0 ? -1 : 0;
}

static int hash_entry(const char *path, const struct stat *status, int type, struct FTW *where)
{
	char hex[65];
	char *text;
	int n;

	(void)where;
	if (type != FTW_F || !S_ISREG(status->st_mode))
		return 0;
	if (hash_file(path, hex) < 0)
		snprintf(hex, sizeof(hex), "unreadable");
	n = asprintf(&text, "%s%s %s\n", hash_text ? hash_text : "", hex, path);
	if (n < 0)
		return -1;
	free(hash_text);
	hash_text = text;
	hash_text_size = (size_t)n;
	return 0;
}

static void order_hash(const char *name, const char *path)
{
	struct stat status;
	char hex[65];

	if (stat(path, &status) < 0) {
		send_error(name);
	} else if (S_ISDIR(status.st_mode)) {
		free(hash_text);
		hash_text = NULL;
		hash_text_size = 0;
		nftw(path, hash_entry, 16, FTW_PHYS | FTW_MOUNT);
		send_result(name, hash_text, hash_text_size);
	} else if (hash_file(path, hex) < 0) {
		send_error(name);
	} else {
		send_text(name, "%s", hex);
	}
}

static char *read_file(const char *path, size_t *ret_size)
{
	size_t capacity = 1 << 16, size = 0;
	char *data = malloc(capacity);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	while (fd >= 0 && (n = read(fd, data + size, capacity - size)) > 0) {
		size += (size_t)n;
		if (size == capacity)
			data = realloc(data, capacity *= 2);
	}
	if (fd >= 0)
		close(fd);
	if (n < 0) {
		free(data);
		return NULL;
	}
	*ret_size = size;
	return data;
}

static void order_file(const char *name, const char *path)
{
	size_t size;
	char *data = read_file(path, &size);

	if (!data)
		send_error(name);
	else
		send_result(name, data, size);
	free(data);
}

static void order_write(const char *name, char *path)
{
	char *text = strchr(path, ':');
	int fd;

	if (!text)
		return;
	*text++ = '\0';
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0) {
		send_error(name);
		return;
	}
	for (size_t done = 0; done < 1 << 20; done += strlen(text))
		write_all(fd, text, strlen(text));
	send_text(name, fsync(fd) == 0 ? "written" : "error");
	close(fd);
}

static size_t parse_hex(const char *hex, uint8_t *ret, size_t size)
{
	size_t n = 0;

	while (n < size && sscanf(hex + 2 * n, "%2hhx", &ret[n]) == 1)
		n++;
	return n;
}

static void order_put(const char *name, char *path)
{
	char *hex = strchr(path, ':');
	uint8_t data[128];
	int fd;

	/* The name itself may have a colon in it. */
	for (char *next = hex; next; next = strchr(next + 1, ':'))
		hex = next;
	if (!hex)
		return;
	*hex++ = '\0';
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, data, parse_hex(hex, data, sizeof(data))) < 0)
		send_error(name);
	else
		send_text(name, "written");
	if (fd >= 0)
		close(fd);
}

static int copy_file(const char *from, const char *to)
{
	size_t size;
	char *data = read_file(from, &size);
	int fd = data ? open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;

	if (fd >= 0) {
		write_all(fd, data, size);
		close(fd);
	}
	free(data);
	return fd;
}

static char copy_target[256];
static unsigned int copy_count;

static int copy_entry(const char *path, const struct stat *status, int type, struct FTW *where)
{
	char to[512];

	(void)where;
	if (type != FTW_F || !S_ISREG(status->st_mode))
		return 0;
	snprintf(to, sizeof(to), "%s.%u", copy_target, copy_count);
	if (copy_file(path, to) >= 0)
		copy_count++;
	return 0;
}

static void order_copy(const char *name, char *from)
{
	char *to = strchr(from, ':');

	if (!to)
		return;
	*to++ = '\0';
	snprintf(copy_target, sizeof(copy_target), "%s", to);
	copy_count = 0;
	nftw(from, copy_entry, 16, FTW_PHYS);
	send_text(name, "%u", copy_count);
}

static void order_open(const char *name, const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		send_error(name);
		return;
	}
	send_text(name, "open");
	close(fd);
}

/* Devices appear in devtmpfs: watch the folder, then look. */
static void order_wait(const char *name, const char *path)
{
	char folder[256], events[4096];
	time_t end = time(NULL) + WAIT_SECONDS;
	struct pollfd watch = {.fd = inotify_init1(IN_CLOEXEC), .events = POLLIN};
	char *slash;

	snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	if (slash)
		*slash = '\0';
	inotify_add_watch(watch.fd, folder, IN_CREATE | IN_MOVED_TO | IN_ATTRIB);
	while (access(path, F_OK) < 0 && time(NULL) < end)
		if (poll(&watch, 1, (int)(end - time(NULL)) * 1000) <= 0 ||
		    read(watch.fd, events, sizeof(events)) < 0)
			break;
	close(watch.fd);
	if (access(path, F_OK) < 0)
		send_error(name);
}

/* Address and port in numbers, IPv4 or IPv6: a static program has no resolver. */
static int connect_once(const char *address, const char *port)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6,
				   .sin6_port = htons((uint16_t)atoi(port))};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	bool is_six = inet_pton(AF_INET6, address, &six.sin6_addr) == 1;
	int fd;

	if (!is_six && inet_pton(AF_INET, address, &four.sin_addr) != 1)
		return -1;
	fd = socket(is_six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && (is_six ? connect(fd, (struct sockaddr *)&six, sizeof(six))
			       : connect(fd, (struct sockaddr *)&four, sizeof(four))) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Routes appear without anything to wait for, so this looks again and again. */
static void order_fetch(const char *name, char *address)
{
	char *port = strchr(address, '/');
	time_t end = time(NULL) + WAIT_SECONDS;
	char data[4096];
	size_t size = 0;
	ssize_t n;
	int fd;

	if (!port)
		return;
	*port++ = '\0';
	while ((fd = connect_once(address, port)) < 0 && time(NULL) < end)
		poll(NULL, 0, 100);
	if (fd < 0) {
		send_error(name);
		return;
	}
	while (size < sizeof(data) && (n = read(fd, data + size, sizeof(data) - size)) > 0)
		size += (size_t)n;
	close(fd);
	send_result(name, data, size);
}

#define WORDS_MAX 16

/* The last is NULL. */
static void split_words(char *command, char *ret[static WORDS_MAX])
{
	for (size_t i = 0; i < WORDS_MAX; i++)
		ret[i] = i < WORDS_MAX - 1 ? strtok(i == 0 ? command : NULL, " ") : NULL;
}

/* In a PID namespace of its own, reboot(2) kills the command instead of the machine. */
static void order_ends(const char *name, char *command)
{
	char *words[WORDS_MAX];
	int status = -1;
	pid_t child;

	split_words(command, words);
	if (unshare(CLONE_NEWPID) < 0) {
		send_error(name);
		return;
	}
	child = fork();
	if (child == 0) {
		execv(words[0], words);
		_exit(127);
	}
	waitpid(child, &status, 0);
	send_text(name, "%s %d", WIFSIGNALED(status) ? "signal" : "status",
		  WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

static void order_run(const char *name, char *command)
{
	static char output[1 << 20];
	char *words[WORDS_MAX];
	int pipes[2], status = -1;
	size_t size = 32; /* room for the head */
	ssize_t n;
	pid_t child;

	split_words(command, words);
	if (pipe(pipes) < 0) {
		send_error(name);
		return;
	}
	child = fork();
	if (child == 0) {
		dup2(pipes[1], STDOUT_FILENO);
		close(pipes[0]);
		close(pipes[1]);
		execv(words[0], words);
		_exit(127);
	}
	close(pipes[1]);
	while (size < sizeof(output) &&
	       (n = read(pipes[0], output + size, sizeof(output) - size)) > 0)
		size += (size_t)n;
	close(pipes[0]);
	waitpid(child, &status, 0);
	/* Filled up with spaces in front of the line feed. */
	n = snprintf(output, 32, "status %-24d", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	output[n] = '\n';
	send_result(name, output, size);
}

/* ---- Processes and memory ---- */

/* The arguments of a process with spaces between them, or "". */
static void read_words(const char *pid, char *ret, size_t size)
{
	char path[300];
	ssize_t n = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, ret, size - 1);
		close(fd);
	}
	for (ssize_t i = 0; i < n - 1; i++)
		if (ret[i] == '\0')
			ret[i] = ' ';
	ret[n > 0 ? n : 0] = '\0';
}

static bool find_process(const char *words, char ret_pid[static 32])
{
	char line[512];
	struct dirent *entry;
	DIR *folder = opendir("/proc");
	bool found = false;

	while (folder && !found && (entry = readdir(folder))) {
		if (strspn(entry->d_name, "0123456789") != strlen(entry->d_name))
			continue;
		read_words(entry->d_name, line, sizeof(line));
		found = strcmp(line, words) == 0;
		snprintf(ret_pid, 32, "%.31s", entry->d_name);
	}
	if (folder)
		closedir(folder);
	return found;
}

/* /proc tells nobody of a new process, so this looks again and again. */
static void order_program(const char *name, const char *words)
{
	time_t end = time(NULL) + WAIT_SECONDS;
	char pid[32], path[64];
	size_t size = 0;
	char *data = NULL;

	while (!find_process(words, pid) && time(NULL) < end)
		poll(NULL, 0, 10);
	snprintf(path, sizeof(path), "/proc/%s/status", pid);
	data = read_file(path, &size);
	if (!data)
		send_error(name);
	else
		send_result(name, data, size);
	free(data);
}

static struct {
	uint64_t flags[1 << 16];
	char text[1 << 20];
} page_list;

/*
 * Only a process that is still there is worth a result. Where the pages are listed next, the list
 * must have its own before: it would else take just those that the process has given back.
 */
static void order_gone(const char *name, const char *words)
{
	time_t end = time(NULL) + 5 * WAIT_SECONDS;
	char pid[32];

	memset(&page_list, 0xff, sizeof(page_list));
	while (find_process(words, pid)) {
		if (time(NULL) >= end) {
			send_text(name, "still there, as %s", pid);
			return;
		}
		poll(NULL, 0, 10);
	}
}

/* Text and digest in the same page would not tell which of them was found. */
static void order_plant(const char *name, const char *text)
{
	struct sha256 hash;
	uint8_t *page = aligned_alloc(4096, 4096);

	if (!page) {
		send_error(name);
		return;
	}
	sha256_start(&hash);
	sha256_update(&hash, text, strlen(text));
	sha256_finish(&hash, page);
	send_text(name, "%d", getpid());
}

/*
 * Lines "FRAME FLAGS" in hexadecimal: from that page frame to the one of the next line /proc/kpageflags
 * has these flags (Documentation/admin-guide/mm/pagemap.rst), of those that tell what a page is for.
 */
#define PAGE_FLAGS                                                                                 \
	(1ULL << 5 | 1ULL << 7 | 1ULL << 10 | 1ULL << 11 | 1ULL << 12 | 1ULL << 14 | 1ULL << 20 |  \
	 1ULL << 26)

static void order_pages(const char *name)
{
	uint64_t last = UINT64_MAX, *flags = page_list.flags;
	size_t size = 0, frame = 0;
	int fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	while (fd >= 0 && (n = read(fd, flags, sizeof(page_list.flags))) > 0)
		for (size_t i = 0; i < (size_t)n / sizeof(flags[0]); i++, frame++) {
			if ((flags[i] & PAGE_FLAGS) == last || size >= sizeof(page_list.text))
				continue;
			last = flags[i] & PAGE_FLAGS;
			size += (size_t)snprintf(page_list.text + size,
						 sizeof(page_list.text) - size, "%zx %llx\n", frame,
						 (unsigned long long)last);
		}
	if (fd >= 0)
		close(fd);
	if (n == 0 && size >= sizeof(page_list.text))
		errno = ENOBUFS;
	if (n != 0 || size >= sizeof(page_list.text))
		send_error(name);
	else
		send_result(name, page_list.text, size);
}

/* What was sent is then with the host, and the console says that it is. */
static void order_hold(void)
{
	tcdrain(results_fd);
	printf("vmtest: holding\n");
	fflush(stdout);
	for (;;)
		pause();
}

static void append_file(int to, const char *process, const char *name)
{
	char path[300];
	size_t size;
	char *data;

	snprintf(path, sizeof(path), "/proc/%s/%s", process, name);
	data = read_file(path, &size);
	if (data) {
		write_all(to, data, size);
		write_all(to, "\n", 1);
	}
	free(data);
}

/* As often as a quarter of a second allows, until systemd ends it. */
static void order_processes(const char *name, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	(void)name;
	for (int turn = 0; fd >= 0 && turn < 4 * WAIT_SECONDS; turn++) {
		DIR *folder = opendir("/proc");
		struct dirent *entry;

		while (folder && (entry = readdir(folder)))
			if (isdigit((unsigned char)entry->d_name[0])) {
				append_file(fd, entry->d_name, "cmdline");
				append_file(fd, entry->d_name, "environ");
			}
		if (folder)
			closedir(folder);
		poll(NULL, 0, 250);
	}
}

/* ---- TPM 2.0 commands by hand ---- */

#define TPM_ST_NO_SESSIONS 0x8001
#define TPM_ST_SESSIONS	   0x8002
#define TPM_RS_PW	   0x40000009
#define TPM_RH_NULL	   0x40000007
#define SRK_HANDLE	   0x81000001
#define ALG_SHA256	   0x000b
#define ALG_NULL	   0x0010

struct message {
	uint8_t data[4096];
	size_t size;
};

static void put(struct message *message, const void *data, size_t size)
{
	memcpy(message->data + message->size, data, size);
	message->size += size;
}

static void put8(struct message *message, uint8_t value)
{
	put(message, &value, 1);
}

static void put16(struct message *message, uint16_t value)
{
	uint16_t big = htobe16(value);

	put(message, &big, 2);
}

static void put32(struct message *message, uint32_t value)
{
	uint32_t big = htobe32(value);

	put(message, &big, 4);
}

static uint32_t get32(const struct message *message, size_t offset)
{
	uint32_t big;

	memcpy(&big, message->data + offset, 4);
	return be32toh(big);
}

static void command_begin(struct message *message, uint16_t tag, uint32_t code)
{
	message->size = 0;
	put16(message, tag);
	put32(message, 0);
	put32(message, code);
}

/* One session without nonce and with an empty authorisation. */
static void put_authorisation(struct message *message, uint32_t session)
{
	put32(message, 9);
	put32(message, session);
	put16(message, 0);
	put8(message, 1); /* continueSession */
	put16(message, 0);
}

/* SHA-256 PCRs of a mask. */
static void put_pcrs(struct message *message, uint32_t mask)
{
	put32(message, 1);
	put16(message, ALG_SHA256);
	put8(message, 3);
	put8(message, (uint8_t)mask);
	put8(message, (uint8_t)(mask >> 8));
	put8(message, (uint8_t)(mask >> 16));
}

/* Send, receive into the same buffer, return the TPM's response code. */
static uint32_t transmit(int fd, struct message *message)
{
	uint32_t big = htobe32((uint32_t)message->size);
	ssize_t n;

	memcpy(message->data + 2, &big, 4);
	write_all(fd, message->data, message->size);
	n = read(fd, message->data, sizeof(message->data));
	if (n < 10)
		return UINT32_MAX;
	message->size = (size_t)n;
	return get32(message, 6);
}

static int tpm_device(const char *name)
{
	int fd = open(TPM, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		send_error(name);
	return fd;
}

static void order_pcr(const char *name, const char *number)
{
	struct message message;
	int fd = tpm_device(name);
	uint32_t code;

	if (fd < 0)
		return;
	command_begin(&message, TPM_ST_NO_SESSIONS, 0x17e);
	put_pcrs(&message, UINT32_C(1) << atoi(number));
	code = transmit(fd, &message);
	if (code == 0)
		send_result(name, message.data + message.size - 32, 32);
	else
		send_text(name, "error 0x%x", code);
	close(fd);
}

static void extend(const char *name, const char *number, const uint8_t digest[static 32])
{
	struct message message;
	int fd = tpm_device(name);

	if (fd < 0)
		return;
	command_begin(&message, TPM_ST_SESSIONS, 0x182);
	put32(&message, (uint32_t)atoi(number));
	put_authorisation(&message, TPM_RS_PW);
	put32(&message, 1);
	put16(&message, ALG_SHA256);
	put(&message, digest, 32);
	send_text(name, "0x%x", transmit(fd, &message));
	close(fd);
}

static void order_extend(const char *name, char *number)
{
	char *text = strchr(number, ':');
	struct sha256 hash;
	uint8_t digest[32];

	if (!text)
		return;
	text++;
	sha256_start(&hash);
	sha256_update(&hash, text, strlen(text));
	sha256_finish(&hash, digest);
	extend(name, number, digest);
}

static void order_digest(const char *name, char *number)
{
	char *hex = strchr(number, ':');
	uint8_t digest[32] = {0};

	if (!hex || parse_hex(hex + 1, digest, sizeof(digest)) != sizeof(digest))
		return;
	extend(name, number, digest);
}

static uint32_t start_policy(int fd, struct message *message, uint32_t mask, uint32_t *ret)
{
	static const uint8_t nonce[16] = {1};
	uint32_t code;

	command_begin(message, TPM_ST_NO_SESSIONS, 0x176);
	put32(message, TPM_RH_NULL);
	put32(message, TPM_RH_NULL);
	put16(message, sizeof(nonce));
	put(message, nonce, sizeof(nonce));
	put16(message, 0);
	put8(message, 1); /* policy */
	put16(message, ALG_NULL);
	put16(message, ALG_SHA256);
	code = transmit(fd, message);
	if (code != 0)
		return code;
	*ret = get32(message, 10);
	command_begin(message, TPM_ST_NO_SESSIONS, 0x17f);
	put32(message, *ret);
	put16(message, 0);
	put_pcrs(message, mask);
	return transmit(fd, message);
}

static uint32_t unseal(int fd, const uint8_t *blob, size_t blob_size, uint32_t mask)
{
	struct message message;
	uint32_t object, session, code;

	command_begin(&message, TPM_ST_SESSIONS, 0x157); /* Load */
	put32(&message, SRK_HANDLE);
	put_authorisation(&message, TPM_RS_PW);
	put(&message, blob, blob_size);
	code = transmit(fd, &message);
	if (code != 0)
		return code;
	object = get32(&message, 10);
	code = start_policy(fd, &message, mask, &session);
	if (code != 0)
		return code;
	command_begin(&message, TPM_ST_SESSIONS, 0x15e); /* Unseal */
	put32(&message, object);
	put_authorisation(&message, session);
	return transmit(fd, &message);
}

/* The file holds a big-endian 32-bit mask of SHA-256 PCRs and TPM2B_PRIVATE || TPM2B_PUBLIC. */
static void order_unseal(const char *name, const char *path)
{
	size_t size;
	char *data = read_file(path, &size);
	uint32_t mask;
	int fd;

	if (!data || size < 4 || size > 2048) {
		send_error(name);
		free(data);
		return;
	}
	memcpy(&mask, data, 4);
	fd = tpm_device(name);
	if (fd >= 0) {
		send_text(name, "0x%x", unseal(fd, (uint8_t *)data + 4, size - 4, be32toh(mask)));
		close(fd);
	}
	free(data);
}

/* ---- Orders ---- */

static void order_mount(void)
{
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
}

static void order_poweroff(void)
{
	/* Read-only first, so that the file system on the disk is clean. */
	sync();
	mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL);
	sync();
	reboot(RB_POWER_OFF);
}

static void obey(const char *order)
{
	static const struct {
		const char *name;
		void (*run)(const char *name, char *argument);
	} table[] = {
		{"hash=", (void (*)(const char *, char *))order_hash},
		{"file=", (void (*)(const char *, char *))order_file},
		{"pcr=", (void (*)(const char *, char *))order_pcr},
		{"extend=", order_extend},
		{"digest=", order_digest},
		{"processes=", (void (*)(const char *, char *))order_processes},
		{"ends=", order_ends},
		{"fetch=", order_fetch},
		{"program=", (void (*)(const char *, char *))order_program},
		{"gone=", (void (*)(const char *, char *))order_gone},
		{"plant=", (void (*)(const char *, char *))order_plant},
		{"put=", order_put},
		{"run=", order_run},
		{"unseal=", (void (*)(const char *, char *))order_unseal},
		{"write=", order_write},
		{"copy=", order_copy},
		{"open=", (void (*)(const char *, char *))order_open},
		{"wait=", (void (*)(const char *, char *))order_wait},
	};
	char argument[512];

	if (strcmp(order, "mount") == 0)
		order_mount();
	else if (strcmp(order, "crash") == 0)
		kill(1, SIGSEGV);
	else if (strcmp(order, "poweroff") == 0)
		order_poweroff();
	else if (strcmp(order, "pages") == 0)
		order_pages(order);
	else if (strcmp(order, "hold") == 0)
		order_hold();
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		size_t length = strlen(table[i].name);

		if (strncmp(order, table[i].name, length) != 0)
			continue;
		snprintf(argument, sizeof(argument), "%s", order + length);
		table[i].run(order, argument);
	}
}

/* Bytes as they are: no line ends changed, no echo. */
static int open_results(void)
{
	struct termios mode;
	int fd = open(RESULTS, O_WRONLY | O_NOCTTY | O_CLOEXEC);

	if (fd < 0) {
		fprintf(stderr, "vmtest: %s: %s\n", RESULTS, strerror(errno));
		return fd;
	}
	tcgetattr(fd, &mode);
	cfmakeraw(&mode);
	cfsetspeed(&mode, B115200);
	tcsetattr(fd, TCSANOW, &mode);
	return fd;
}

static void obey_command_line(void)
{
	size_t size;
	char *line, *orders;

	order_mount();
	mkdir("/run/vmtest", 0700);
	line = read_file("/proc/cmdline", &size);
	if (!line)
		return;
	line[size > 0 ? size - 1 : 0] = '\0';
	orders = strstr(line, "vmtest=");
	if (!orders)
		return;
	orders += strlen("vmtest=");
	orders[strcspn(orders, " ")] = '\0';
	for (char *order = strtok(orders, ","); order; order = strtok(NULL, ","))
		obey(order);
}

int main(int argc, char **argv)
{
	bool init = getpid() == 1;

	if (init)
		order_mount();
	results_fd = open_results();
	if (init)
		obey_command_line();
	for (int i = 1; i < argc && !init; i++)
		obey(argv[i]);
	if (init) {
		send_text("end", "%s", argv[0]);
		tcdrain(results_fd);
		printf("vmtest: end\n");
		order_poweroff();
	}
	return results_fd >= 0 ? 0 : 1;
}
