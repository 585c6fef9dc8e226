// Expected: a memory block that has a poisoned page goes offline, also if the page is a part of a huge page, as it does
// if the page is a small one (the control). has_unmovable_pages and test_pages_isolated skip poisoned pages for that.
// Linux 7.3.4: if a transparent huge page could not be split when it was poisoned, the offlining never ends. If a huge
// page of a hugetlb file is poisoned, the offlining fails with EBUSY. Needs memory hotplug, CONFIG_MEMORY_FAILURE,
// CONFIG_TRANSPARENT_HUGEPAGE, hugetlb, NUMA and root. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#define BLOCK "/sys/devices/system/memory/memory3/state"	// a block of node 1
#define HUGE (2l << 20)

static int put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY), bad = fd < 0 || write(fd, text, strlen(text)) < 0 ? errno : 0;

	close(fd);
	return bad;
}

static void ignore(int number)
{
	(void)number;
}

// Poisons a page of the block, whose process lives on, and takes the block offline.
static const char *try(int kind)
{
	char *p = (char *)(1l << 32), word[64] = "", pfn[32];
	int fd = kind == 2 ? memfd_create("", MFD_HUGETLB) : -1, fds[2], status;
	struct iovec iov = { p, 4096 };
	unsigned long node1 = 2;
	long entry = 0;
	pid_t pid;

	if (put(BLOCK, "online_movable") || (fd >= 0 && (put("/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages", "1") || ftruncate(fd, HUGE))))
		perror(BLOCK), exit(2);
	if (mmap(p, HUGE, PROT_READ | PROT_WRITE, MAP_FIXED | (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED), fd, 0) != p)
		perror("mmap"), exit(2);
	madvise(p, HUGE, kind == 1 ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	if (syscall(SYS_mbind, p, HUGE, 2 /* MPOL_BIND */, &node1, 64, 0) || pipe(fds))
		perror("mbind"), exit(2);
	memset(p, 1, kind ? HUGE : 4096);
	pread(open("/proc/self/pagemap", O_RDONLY), &entry, 8, (long)p / 512);
	entry &= (1l << 55) - 1;
	sprintf(pfn, "0x%lx", entry), entry >>= 15;	// the block
	if (kind == 1)
		vmsplice(fds[1], &iov, 1, 0);		// prevents the split
	madvise(p, 4096, 100 /* MADV_HWPOISON */);
	close(fds[0]), close(fds[1]);			// now the page is no longer used elsewhere
	if (!(pid = fork())) {
		alarm(20);
		_exit(put(BLOCK, "offline"));
	}
	waitpid(pid, &status, 0);
	read(open(BLOCK, O_RDONLY), word, 60);
	munmap(p, HUGE), close(fd);
	// Only a block without poisoned pages can go online again.
	if (*word != 'o' || word[1] != 'f')
		put("/sys/kernel/debug/hwpoison/unpoison-pfn", pfn), put(BLOCK, "offline");
	if (entry != 3)
		printf("cannot be run: the page is in block %ld\n", entry), exit(2);
	return !strncmp(word, "offline", 7) ? "succeeds" : WIFSIGNALED(status) || WEXITSTATUS(status) == EINTR ? "has not ended after 20 s" : strerror(WEXITSTATUS(status));
}

int main(void)
{
	const char *result[3] = { "", "", "" };

	signal(SIGBUS, ignore);
	if (put(BLOCK, "offline"))
		return perror(BLOCK), 2;
	result[1] = try(1), result[2] = try(2), result[0] = try(0);
	if (strcmp(result[0], "succeeds"))
		return printf("cannot be run: %s\n", result[0]), 2;
	if (!strcmp(result[1], "succeeds") && !strcmp(result[2], "succeeds"))
		return puts("ok"), 0;
	printf("BROKEN: offline of a block with a poisoned page succeeds if it is small; if it is a part of a huge page: %s; of a page of a hugetlb file: %s\n", result[1], result[2]);
	return 1;
}
