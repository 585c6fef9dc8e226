/*
 * Wrong arguments, and processes that die in the middle of an operation: /dev/mmfuzz must answer
 * with an error, and no device page may be left. Prints SAME if so.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 300

static int failures;

static void refused(int fd, unsigned long command, void *argument, int expected, const char *what)
{
	errno = 0;
	if (ioctl(fd, command, argument) == 0 || errno != expected) {
		printf("DIFFERENT: %s: expected error %d, got %d\n", what, expected, errno);
		failures++;
	}
}

static void wrong_arguments(void)
{
	static const unsigned long ranges[] = { MMFUZZ_IOC_MIGRATE, MMFUZZ_IOC_SETUP, MMFUZZ_IOC_ACCESS, MMFUZZ_IOC_GET,
						MMFUZZ_IOC_HOLD, MMFUZZ_IOC_LOCK, MMFUZZ_IOC_EXCLUSIVE };
	const struct mmfuzz_range good = { .addr = (unsigned long)WINDOW, .len = 1 };
	int fd = open("/dev/mmfuzz", O_RDWR);
	struct mmfuzz_observe observe = { .pid = 1, .len = 1, .addr = good.addr };
	struct mmfuzz_snapshot snapshot = { .addr = good.addr, .len = 0 };
	struct mmfuzz_evict evict = { .dev = 0, .first = MMFUZZ_MAX_FRAMES, .len = 1 };
	struct mmfuzz_reset reset = { .limit = MMFUZZ_MAX_FRAMES + 1 };
	struct mmfuzz_range range;
	struct mmfuzz_slot slot;
	unsigned int i;

	for (i = 0; i < sizeof(ranges) / sizeof(*ranges); i++) {
		range = good, range.dev = MMFUZZ_DEVICES;
		refused(fd, ranges[i], &range, EINVAL, "no such device");
		range = good, range.len = 0;
		refused(fd, ranges[i], &range, EINVAL, "no pages");
		range = good, range.len = MMFUZZ_MAX_PAGES + 1;
		refused(fd, ranges[i], &range, EINVAL, "too many pages");
		range = good, range.addr++;
		refused(fd, ranges[i], &range, EINVAL, "an address that is not aligned");
		range = good, range.addr = ~0ul << 12;
		refused(fd, ranges[i], &range, EINVAL, "an address of the kernel");
		range = good, range.addr = (1ul << 47) - PAGE, range.len = 2;
		refused(fd, ranges[i], &range, EINVAL, "a range that ends beyond user space");
		range = good, range.flags = 1u << 31;
		refused(fd, ranges[i], &range, EINVAL, "an unknown flag");
		refused(fd, ranges[i], NULL, EFAULT, "no argument");
	}
	range = good;
	refused(fd, MMFUZZ_IOC_MIGRATE, &range, ENOENT, "an address space that is not attached");
	for (i = 0; i < 2; i++) {
		memset(&slot, 0, sizeof(slot));
		slot.slot = i ? 99 : 0;
		refused(fd, MMFUZZ_IOC_NEXT, &slot, i ? EINVAL : ENOENT, "no such migration");
		refused(fd, MMFUZZ_IOC_PUT, &slot, i ? EINVAL : ENOENT, "no such reference");
		refused(fd, MMFUZZ_IOC_UNLOCK, &slot, i ? EINVAL : ENOENT, "no such lock");
	}
	refused(fd, MMFUZZ_IOC_SNAPSHOT, &snapshot, EINVAL, "a snapshot of nothing");
	refused(fd, MMFUZZ_IOC_EVICT, &evict, EINVAL, "no such frame");
	refused(fd, MMFUZZ_IOC_RESET, &reset, EINVAL, "more frames than there are");
	refused(fd, MMFUZZ_IOC_OBSERVE, &observe, EFAULT, "nowhere to put what is seen");
	observe.pid = 99999;
	refused(fd, MMFUZZ_IOC_OBSERVE, &observe, ESRCH, "no such process");
	refused(fd, _IO('m', 99), NULL, ENOTTY, "an unknown command");
	refused(fd, _IOC(_IOC_READ, 'm', 1, 16000), NULL, ENOTTY, "an argument that is too long");
	close(fd);
}

/* Runs random commands until it is killed. */
static void busy(unsigned int seed)
{
	int fd = open("/dev/mmfuzz", O_RDWR);

	srand(seed);
	ioctl(fd, MMFUZZ_IOC_ATTACH);
	mmap(WINDOW, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	for (;;) {
		static const unsigned long commands[] = { MMFUZZ_IOC_MIGRATE, MMFUZZ_IOC_SETUP, MMFUZZ_IOC_ACCESS,
							  MMFUZZ_IOC_GET, MMFUZZ_IOC_HOLD, MMFUZZ_IOC_MIGRATE };
		struct mmfuzz_range range = {
			.addr = (unsigned long)WINDOW + (unsigned long)(rand() % 12) * PAGE,
			.len = (unsigned int)rand() % 4 + 1,
			.dev = (unsigned int)rand() % 2,
			.flags = (unsigned int)rand() % 32,
		};
		struct mmfuzz_slot slot = { .slot = (unsigned int)rand() % 4 };

		ioctl(fd, commands[rand() % 6], &range);
		if (rand() % 2)
			ioctl(fd, MMFUZZ_IOC_NEXT, &slot);
		if (rand() % 16 == 0 && fork() == 0)
			_exit(0);
		if (rand() % 4 == 0)
			WINDOW[rand() % 12 * PAGE] = 1;
	}
}

static void sudden_deaths(void)
{
	int fd = open("/dev/mmfuzz", O_RDWR);
	struct mmfuzz_reset reset = { .limit = 0 };
	unsigned int round;

	signal(SIGCHLD, SIG_DFL);
	for (round = 0; round < ROUNDS; round++) {
		pid_t pid = fork();

		if (pid == 0)
			busy(round);
		usleep(round % 50 * 100);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	ioctl(fd, MMFUZZ_IOC_RESET, &reset);
	if (reset.device_frames[0] || reset.device_frames[1]) {
		printf("DIFFERENT: %u and %u device pages are left\n", reset.device_frames[0], reset.device_frames[1]);
		failures++;
	}
	close(fd);
}

int main(void)
{
	wrong_arguments();
	sudden_deaths();
	if (!failures)
		printf("SAME\n");
	return failures != 0;
}
