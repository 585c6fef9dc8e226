// Expected: a page that a system call reads is not idle (admin-guide/mm/idle_page_tracking.rst).
// Linux 7.3.4: a page stays idle that vmsplice puts into a pipe and that is read from there. Needs
// CONFIG_IDLE_PAGE_TRACKING and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>
static char *page, copy[4096];

// Marks the page idle, or returns whether it is idle.
static int idle(int mark)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY), bitmap = open("/sys/kernel/mm/page_idle/bitmap", O_RDWR);
	long frame = 0, word;

	pread(pagemap, &frame, 8, (long)page / 512);
	frame &= (1L << 55) - 1;
	word = 1L << (frame & 63);
	if ((mark ? pwrite(bitmap, &word, 8, frame / 64 * 8) : pread(bitmap, &word, 8, frame / 64 * 8)) != 8)
		perror("/sys/kernel/mm/page_idle/bitmap"), _exit(2);
	close(pagemap), close(bitmap);
	return word >> (frame & 63) & 1;
}

int main(void)
{
	int pipes[2], untouched, read_by_process, read_by_pipe;
	struct iovec from, to = { copy, 4096 };

	page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(page, 1, 4096);
	from = (struct iovec){ page, 4096 };
	for (int i = 0; i < 10; i++)
		madvise(page, 4096, 20 /* MADV_COLD: the page goes to the LRU list */);
	idle(1), untouched = idle(0);
	idle(1), process_vm_readv(getpid(), &to, 1, &from, 1, 0), read_by_process = idle(0);
	if (pipe(pipes))
		return 2;
	idle(1), vmsplice(pipes[1], &from, 1, 0), read(pipes[0], copy, 4096), read_by_pipe = idle(0);
	printf(untouched && !read_by_process && read_by_pipe ? "BROKEN: a page is idle that was read through a pipe; read by process_vm_readv, it is not\n" : "ok\n");
	return untouched && !read_by_process && read_by_pipe;
}
