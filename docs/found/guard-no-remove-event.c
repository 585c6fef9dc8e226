// MADV_GUARD_INSTALL drops pages as MADV_DONTNEED does, and does not tell userfaultfd
// (UFFD_EVENT_REMOVE): a monitor that fills in pages from a copy brings the dropped contents back.
// Needs CONFIG_USERFAULTFD. cc -static -lpthread
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <fcntl.h>
#define GUARD_INSTALL 102

static char *page;
static int advice;
static void *advise(void *failed)
{
	*(int *)failed = madvise(page, 4096, advice);
	return 0;
}

// Drops the page by this advice. Returns whether userfaultfd has an event for it, or -1 if the
// advice fails.
static int told(int uffd, char *p, int how)
{
	struct uffd_msg msg = { 0 };
	pthread_t thread;
	int failed = 0, event;

	page = p, advice = how;
	pthread_create(&thread, 0, advise, &failed);
	sleep(1);
	event = read(uffd, &msg, sizeof(msg)) == sizeof(msg) && msg.event == UFFD_EVENT_REMOVE;
	pthread_join(thread, 0);
	return failed ? -1 : event;
}

int main(void)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK), dontneed, guard;
	char *p = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_EVENT_REMOVE };
	struct uffdio_register reg = { .range = { (uintptr_t)p, 8192 }, .mode = UFFDIO_REGISTER_MODE_MISSING };

	memset(p, 1, 8192);
	if (ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg))
		return perror("userfaultfd"), 2;
	dontneed = told(uffd, p, MADV_DONTNEED);
	guard = told(uffd, p + 4096, GUARD_INSTALL);
	if (dontneed != 1 || guard < 0)
		return puts("cannot be run: no MADV_GUARD_INSTALL"), 2;
	printf(guard ? "ok\n" : "BROKEN: an event for MADV_DONTNEED, none for MADV_GUARD_INSTALL\n");
	return !guard;
}
