// Expected: a memory block goes offline while a process replaces its pages with MADV_SOFT_OFFLINE, as it does
// while the process moves them with move_pages (the control). soft_offline_page says: "This should never impact
// any application or cause data loss, however it might take some time."
// Linux 7.3.4: soft_offline_page waits for the end of the offlining, and has a reference on a page of the block;
// the offlining waits until that page is free. Neither ends, and SIGKILL does not end the madvise. Only a signal
// to the writer of "offline" ends both. Needs memory hotplug, CONFIG_MEMORY_FAILURE, NUMA and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#define BLOCK "/sys/devices/system/memory/memory3/state"	// a block of node 1
#define SIZE (16l << 20)

static int put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY), bad = fd < 0 || write(fd, text, strlen(text)) < 0;

	close(fd);
	return bad;
}

static int ended(pid_t pid, int tenths)
{
	for (; tenths; tenths--, usleep(100000))
		if (waitpid(pid, 0, WNOHANG) == pid)
			return 1;
	return 0;
}

// Lets a process work on 16 MB of the block, and takes the block offline. Returns tenths of seconds.
static int try(int soft, int *killed)
{
	char *p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), c;
	unsigned long node1 = 2;
	pid_t worker, offline;
	int ready[2], time;

	if (put(BLOCK, "online_movable") || syscall(SYS_mbind, p, SIZE, 2 /* MPOL_BIND */, &node1, 64, 0) || pipe(ready))
		perror("online_movable, mbind"), _exit(2);
	madvise(p, SIZE, MADV_NOHUGEPAGE);
	if (!(worker = fork())) {
		memset(p, 1, SIZE);
		write(ready[1], "", 1);
		for (long i = 0; i < SIZE; i += 4096) {
			void *page = p + i;
			int node = 0, status;

			soft ? madvise(page, 4096, 101 /* MADV_SOFT_OFFLINE */) : syscall(SYS_move_pages, 0, 1, &page, &node, &status, 2);
		}
		pause();
	}
	read(ready[0], &c, 1);
	usleep(20000);
	if (!(offline = fork()))
		_exit(put(BLOCK, "offline"));
	for (time = 0; time < 200 && !ended(offline, 1); time++)
		;
	kill(worker, SIGKILL);
	*killed = ended(worker, 30);
	kill(offline, SIGKILL);
	if (time == 200 && (!ended(offline, 30) || (!*killed && !ended(worker, 30))))
		time = 999;
	munmap(p, SIZE);
	return time;
}

int main(void)
{
	int moved, softened, killed[2];

	if (put(BLOCK, "offline"))
		return perror(BLOCK), 2;
	moved = try(0, killed), softened = try(1, killed + 1);
	if (moved < 200 && softened < 200 && killed[1])
		return puts("ok"), 0;
	if (moved >= 200)
		return printf("cannot be run: %d\n", moved), 2;
	printf("BROKEN: offline takes %d.%d s during move_pages; during MADV_SOFT_OFFLINE, it has not ended after %d s, and SIGKILL %s\n",
	       moved / 10, moved % 10, softened / 10, killed[1] ? "ends the madvise" : "does not end the madvise; a signal to the writer ends both");
	return 1;
}
