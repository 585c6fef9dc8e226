// Expected: a monitor with UFFD_FEATURE_EVENT_UNMAP hears of each unmap in its range (userfaultfd(2)).
// Linux 7.3.4: shmat with SHM_REMAP replaces the memory, and sends no event. mmap with MAP_FIXED sends one.
// Needs CONFIG_SYSVIPC and CONFIG_USERFAULTFD. cc -static -lpthread
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>
#define PAGE 4096L
static char *p;
static int id;

static void *fixed(void *unused)
{
	mmap(p, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	return unused;
}

static void *attach(void *unused)
{
	if (shmat(id, p + PAGE, SHM_REMAP) != p + PAGE)
		perror("shmat");
	return unused;
}

// Whether a call sends an event for the page.
static int event(int uffd, void *(*call)(void *))
{
	struct uffd_msg message;
	pthread_t thread;

	pthread_create(&thread, 0, call, 0);
	sleep(1);
	if (read(uffd, &message, sizeof(message)) != sizeof(message))
		return 0;
	pthread_join(thread, 0);
	return message.event == UFFD_EVENT_UNMAP;
}

int main(void)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK), mapped, attached;
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_EVENT_UNMAP };

	id = shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0600);
	p = mmap(0, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_register reg = { .range = { (uintptr_t)p, 2 * PAGE }, .mode = UFFDIO_REGISTER_MODE_MISSING };
	if (id < 0 || ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg))
		return puts("cannot be run: no shmget, or no userfaultfd"), 2;
	mapped = event(uffd, fixed);
	attached = event(uffd, attach);
	shmctl(id, IPC_RMID, 0);
	if (!mapped)
		return puts("no event for mmap"), 2;
	puts(attached ? "ok" : "BROKEN: an event for mmap with MAP_FIXED, none for shmat with SHM_REMAP");
	return !attached;
}
