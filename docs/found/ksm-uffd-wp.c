// KSM merges a page that is write-protected for userfaultfd, and drops the protection. userfaultfd
// has no event for the next write. Needs CONFIG_KSM, CONFIG_USERFAULTFD and root.
// cc -static -lpthread
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#define KSM "/sys/kernel/mm/ksm/"
#define SIZE (16 * 4096)

static void set(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		perror(path), exit(2);
	close(fd);
}

static volatile int written;
static void *write_to(void *page)
{
	*(volatile char *)page = 2;
	written = 1;
	return 0;
}

int main(void)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK), told;
	char *p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_range range = { .start = (uintptr_t)p, .len = SIZE };
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .range = range, .mode = UFFDIO_REGISTER_MODE_WP };
	struct uffdio_writeprotect wp = { .range = range, .mode = UFFDIO_WRITEPROTECT_MODE_WP };
	struct uffd_msg msg;
	pthread_t writer;

	memset(p, 1, SIZE);
	if (ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg) || ioctl(uffd, UFFDIO_WRITEPROTECT, &wp))
		return perror("userfaultfd"), 2;
	set(KSM "pages_to_scan", "10000");
	set(KSM "sleep_millisecs", "20");
	madvise(p, SIZE, MADV_MERGEABLE);
	set(KSM "run", "1");
	sleep(3);
	set(KSM "run", "0");
	pthread_create(&writer, 0, write_to, p);
	sleep(1);
	told = read(uffd, &msg, sizeof(msg)) == sizeof(msg);
	printf(written && !told ? "BROKEN: a write to a page that is write-protected goes through, and userfaultfd has no event\n" : "ok\n");
	fflush(stdout);
	_exit(written && !told);
}
