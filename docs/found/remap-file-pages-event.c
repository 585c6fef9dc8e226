// Expected: userfaultfd tells a monitor that a range is unmapped (UFFD_EVENT_UNMAP).
// Linux 7.3.4: remap_file_pages unmaps a range without an event. mmap with MAP_FIXED sends one.
// Needs CONFIG_USERFAULTFD. cc -static -lpthread
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static int failed;
static void *remap(void *p)
{
	failed = remap_file_pages(p, 4096, 0, 1, 0);
	return 0;
}

static void *map_fixed(void *p)
{
	failed = mmap(p, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED;
	return 0;
}

static int told(void *(*how)(void *))
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK), event;
	char *p = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_EVENT_UNMAP };
	struct uffdio_register reg = { .range = { (uintptr_t)p, 8192 }, .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffd_msg msg = { 0 };
	pthread_t thread;

	p[0] = p[4096] = 1;
	if (ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg))
		return perror("userfaultfd"), -1;
	pthread_create(&thread, 0, how, p);
	sleep(1);
	event = read(uffd, &msg, sizeof(msg)) == sizeof(msg) && msg.event == UFFD_EVENT_UNMAP;
	pthread_join(thread, 0);
	return failed ? -1 : event;
}

int main(void)
{
	int fixed = told(map_fixed), remapped = told(remap);

	if (fixed != 1 || remapped < 0)
		return 2;
	puts(remapped ? "ok" : "BROKEN: an event for mmap with MAP_FIXED, none for remap_file_pages");
	return !remapped;
}
