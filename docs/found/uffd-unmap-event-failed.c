// Expected: UFFD_EVENT_UNMAP says that a range is not mapped any more.
// Linux 7.3.4: munmap also sends the event if it fails (here EPERM, since a part of the range is
// sealed). The range is still registered. A monitor that believes the event does not serve later
// faults. Needs CONFIG_USERFAULTFD and mseal. cc -static -lpthread
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
#define SYS_mseal_ 462

static int failed;
static void *unmap(void *p)
{
	failed = munmap(p, 8192);
	return 0;
}

int main(void)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK), event, null[2];
	char *p = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_EVENT_UNMAP | UFFD_FEATURE_SIGBUS };
	struct uffdio_register reg = { .range = { (uintptr_t)p, 4096 }, .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffd_msg msg = { 0 };
	pthread_t thread;

	if (pipe(null) || ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg))
		return perror("userfaultfd"), 2;
	if (syscall(SYS_mseal_, p + 4096, 4096, 0))
		return perror("mseal"), 2;
	pthread_create(&thread, 0, unmap, p);
	sleep(1);
	event = read(uffd, &msg, sizeof(msg)) == sizeof(msg) && msg.event == UFFD_EVENT_UNMAP;
	pthread_join(thread, 0);
	// EFAULT (by UFFD_FEATURE_SIGBUS) stands for a fault that the monitor would have to serve
	if (!failed || write(null[1], p, 1) == 1)
		return puts("cannot be run: munmap did not fail, or the range is not registered any more"), 2;
	puts(event ? "BROKEN: an event says that a range is unmapped, after munmap has failed" : "ok");
	return event;
}
