// Expected: a write of a file's name to /sys/kernel/debug/split_huge_pages splits the transparent huge pages of the
// file, and leaves pages of hugetlb alone. Writes of a process and of "1" do that ("skip special VMA and hugetlb
// VMA", split_huge_pages_pid; the control).
// Linux 7.3.4: it splits a page of hugetlb, and the kernel dies. Needs CONFIG_TRANSPARENT_HUGEPAGE, CONFIG_HUGETLBFS,
// CONFIG_DEBUG_FS and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#define SIZE (2l << 20)

static int put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY), bad = fd < 0 || write(fd, text, strlen(text)) < 0;

	close(fd);
	return bad;
}

int main(void)
{
	char *p, text[100];
	long bad = 0;
	int fd;

	put("/proc/sys/kernel/panic_on_warn", "1");	// without that, a guest with one CPU hangs
	mkdir("/huge", 0700);
	if (put("/proc/sys/vm/nr_hugepages", "2") || mount("none", "/huge", "hugetlbfs", 0, 0))
		return perror("hugetlbfs"), 2;
	fd = open("/huge/file", O_RDWR | O_CREAT, 0600);
	p = ftruncate(fd, SIZE) ? MAP_FAILED : mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return perror("/huge/file"), 2;
	memset(p, 1, SIZE);
	snprintf(text, sizeof(text), "%d,0x%lx,0x%lx", getpid(), (long)p, (long)p + SIZE);
	if (put("/sys/kernel/debug/split_huge_pages", text) || put("/sys/kernel/debug/split_huge_pages", "1"))
		return perror("split_huge_pages"), 2;
	puts("a write of a process, and of 1: fine"), fflush(stdout);
	if (put("/sys/kernel/debug/split_huge_pages", "/huge/file,0x0,0x200"))
		return perror("split_huge_pages"), 2;
	for (long i = 0; i < SIZE; i += 4096)
		bad += p[i] != 1;
	munmap(p, SIZE), close(fd), unlink("/huge/file");
	fd = open("/proc/sys/vm/nr_hugepages", O_RDONLY);
	memset(text, 0, sizeof(text)), read(fd, text, 90);
	put("/proc/sys/vm/nr_hugepages", "0");
	if (!bad)
		return puts("ok"), 0;
	printf("BROKEN: %ld pages of 512 have lost what was written; nr_hugepages is %s\n", bad, text);
	return 1;
}
