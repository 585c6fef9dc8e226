// Expected: rmdir of a cgroup does not depend on the good will of a process elsewhere. If a huge page is charged to
// the cgroup, the charge goes to the parent (hugetlb_cgroup.c), and the next mkdir succeeds (the control).
// Linux 7.3.4: a huge page that is isolated for a migration is not found, and the kernel looks for it again and again,
// with the lock of all cgroups. move_pages of a pinned huge page and of a page of a FUSE server that does not answer
// keeps it isolated. From then on, nobody makes a cgroup. Needs cgroup2 with hugetlb, two nodes
// (numa=fake=2U), CONFIG_FUSE_FS and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#define HUGE (2l << 20)

static int put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY), bad = fd < 0 || write(fd, text, strlen(text)) < 0;

	close(fd);
	return bad;
}

// A file system that is one file, and does not answer if something is written.
static void serve(int dev)
{
	static char text[1 << 20], out[1 << 17];
	struct fuse_in_header *in = (void *)text;
	struct fuse_out_header *head = (void *)out;
	void *reply = head + 1;

	while (read(dev, text, sizeof(text)) > 0) {
		int size = 0, error = 0;

		memset(out, 0, sizeof(out));
		if (in->opcode == FUSE_WRITE)
			continue;
		if (in->opcode == FUSE_INIT)
			*(struct fuse_init_out *)reply = (struct fuse_init_out) { .major = 7, .minor = FUSE_KERNEL_MINOR_VERSION, .max_write = 65536 }, size = sizeof(struct fuse_init_out);
		else if (in->opcode == FUSE_GETATTR || in->opcode == FUSE_SETATTR)
			((struct fuse_attr_out *)reply)->attr = (struct fuse_attr) { .ino = 1, .size = 4096, .mode = 0100600, .nlink = 1, .blksize = 4096 }, size = sizeof(struct fuse_attr_out);
		else if (in->opcode == FUSE_OPEN)
			size = sizeof(struct fuse_open_out);
		else if (in->opcode == FUSE_READ)
			size = 4096;
		else if (in->opcode != FUSE_RELEASE && in->opcode != FUSE_FLUSH)
			error = -38;
		*head = (struct fuse_out_header) { .len = sizeof(*head) + size, .error = error, .unique = in->unique };
		write(dev, out, head->len);
	}
}

// Gets a huge page in "cgroup", goes to /cg/y, and moves the page, and perhaps one of FUSE, to the other node.
static void process(const char *cgroup, int waits)
{
	char *huge, *p, file[64];
	int fd = waits ? open("/f", O_RDWR) : -1, pipes[2], nodes[2] = { 1, 1 }, status[2];
	struct iovec part = { .iov_len = 4096 };
	struct stat stat;
	void *pages[2];

	if (waits)
		fstat(fd, &stat); // now the kernel knows the size
	prctl(PR_SET_PDEATHSIG, SIGKILL), sprintf(file, "%s/cgroup.procs", cgroup);
	huge = mmap(0, HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (put(file, "0") || huge == MAP_FAILED || pipe(pipes))
		perror("the process"), _exit(2);
	memset(huge, 1, HUGE), part.iov_base = huge;
	if (vmsplice(pipes[1], &part, 1, 0) != 4096 || put("/cg/y/cgroup.procs", "0"))
		perror("vmsplice"), _exit(2);
	p = waits ? mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : 0;
	if (waits)
		*(volatile char *)p = 1, sync_file_range(fd, 0, 4096, SYNC_FILE_RANGE_WRITE);
	pages[0] = huge, pages[1] = p;
	syscall(SYS_move_pages, 0, waits ? 2 : 1, pages, nodes, status, 2 /* MPOL_MF_MOVE */);
	pause();
}

// Makes a cgroup. Has that been done after 5 s?
static int made(const char *cgroup, pid_t *maker)
{
	*maker = fork();
	if (!*maker)
		prctl(PR_SET_PDEATHSIG, SIGKILL), _exit(mkdir(cgroup, 0700));
	for (int i = 0; i < 50; i++, usleep(100000))
		if (waitpid(*maker, 0, WNOHANG))
			return 1;
	return 0;
}

static int run(const char *cgroup, int waits, const char *next, pid_t *child)
{
	pid_t maker;

	*child = fork();
	if (!*child)
		process(cgroup, waits);
	sleep(3);
	if (rmdir(cgroup))
		perror("rmdir"), _exit(2);
	sleep(1);
	return made(next, &maker);
}

int main(void)
{
	int dev = open("/dev/fuse", O_RDWR), twin, result;
	pid_t server, child, child2, maker;
	char options[64];

	mkdir("/cg", 0700), close(open("/f", O_RDWR | O_CREAT, 0600));
	sprintf(options, "fd=%d,rootmode=100000,user_id=0,group_id=0", dev);
	if (mount("none", "/cg", "cgroup2", 0, 0) || put("/cg/cgroup.subtree_control", "+hugetlb") || mkdir("/cg/w", 0700) || mkdir("/cg/x", 0700) ||
	    mkdir("/cg/y", 0700) || put("/proc/sys/vm/nr_hugepages", "8") || mount("f", "/f", "fuse", 0, options))
		return perror("cgroup2, fuse"), 2;
	server = fork();
	if (!server)
		prctl(PR_SET_PDEATHSIG, SIGKILL), serve(dev), _exit(0);
	close(dev);
	twin = run("/cg/w", 0, "/cg/1", &child);
	if (!twin)
		return puts("cannot be run: the control hangs"), 2;
	result = run("/cg/x", 1, "/cg/2", &child2);
	if (result)
		return puts("ok"), 0;
	kill(server, SIGKILL), sleep(3);
	printf("BROKEN: after rmdir of a cgroup with a huge page, mkdir of another hangs for 5 s; the end of the FUSE server %s that\n", made("/cg/3", &maker) ? "ends" : "does not end");
	return 1;
}
