// Expected: a process without privileges that begins a child in another of its own cgroups stops nobody else, and can
// be killed. If all threads of the process run, the call returns at once (the control).
// Linux 7.3.4: clone3 with CLONE_INTO_CGROUP and CLONE_VM waits, with the locks of all cgroups, for each VMA of the
// process. A thread that writes to a mapping of a FUSE server that does not answer holds one. From then on, nobody in
// the system makes a cgroup. Needs cgroup2 with cpuset, CONFIG_FUSE_FS and root (to set it up). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fuse.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#define USER 1000

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
			((struct fuse_attr_out *)reply)->attr = (struct fuse_attr) { .ino = 1, .size = 4096, .mode = 0100666, .nlink = 1, .uid = USER, .gid = USER, .blksize = 4096 }, size = sizeof(struct fuse_attr_out);
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

static void *touch(void *p)
{
	*(volatile char *)p = 2;
	return 0;
}

// The user's process. It begins a child in /cg/u/b, which ends at once.
static void process(int waits)
{
	struct clone_args args = { .flags = CLONE_VM | CLONE_VFORK | CLONE_INTO_CGROUP, .exit_signal = SIGCHLD };
	long result = SYS_clone3;
	struct stat stat; // after fstat, the kernel knows the size
	pthread_t thread;
	int fd;
	char *p;

	if (put("/cg/u/a/cgroup.procs", "0") || setresgid(USER, USER, USER) || setresuid(USER, USER, USER))
		perror("the user's process"), _exit(2);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = open("/f", O_RDWR), fstat(fd, &stat), p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	args.cgroup = open("/cg/u/b", O_RDONLY | O_DIRECTORY);
	if (waits) {
		*(volatile char *)p = 1, sync_file_range(fd, 0, 4096, SYNC_FILE_RANGE_WRITE);
		pthread_create(&thread, 0, touch, p), sleep(1);
	}
	asm volatile("syscall\n\ttest %%rax, %%rax\n\tjnz 1f\n\tmov $60, %%eax\n\txor %%edi, %%edi\n\tsyscall\n1:"
		     : "+a"(result) : "D"(&args), "S"(sizeof(args)) : "rcx", "r11", "memory");
	_exit(result < 0 ? 3 : 0);
}

// Is the process gone, after "seconds" at the latest?
static int gone(pid_t pid, int seconds, int *status)
{
	for (int i = 0; i < 10 * seconds; i++, usleep(100000))
		if (waitpid(pid, status, WNOHANG) == pid)
			return 1;
	return 0;
}

int main(void)
{
	static const char *files[] = { "/cg/u", "/cg/u/a", "/cg/u/b", "/cg/u/cgroup.procs", "/cg/u/a/cgroup.procs", "/cg/u/b/cgroup.procs" };
	int dev = open("/dev/fuse", O_RDWR), killed, made, status = 0;
	pid_t server, child, maker;
	char options[64];

	mkdir("/cg", 0700), close(open("/f", O_RDWR | O_CREAT, 0600)), chmod("/", 0755), chmod("/cg", 0755);
	sprintf(options, "fd=%d,rootmode=100000,user_id=%d,group_id=%d", dev, USER, USER);
	if (mount("none", "/cg", "cgroup2", 0, 0) || put("/cg/cgroup.subtree_control", "+cpuset") || mkdir("/cg/u", 0755) ||
	    put("/cg/u/cgroup.subtree_control", "+cpuset") || mkdir("/cg/u/a", 0755) || mkdir("/cg/u/b", 0755) || mount("f", "/f", "fuse", 0, options))
		return perror("cgroup2, fuse"), 2;
	for (int i = 0; i < 6; i++)
		chown(files[i], USER, USER);
	server = fork();
	if (!server)
		prctl(PR_SET_PDEATHSIG, SIGKILL), serve(dev), _exit(0);
	close(dev);
	child = fork();
	if (!child)
		process(0);
	if (!gone(child, 5, &status) || status)
		return printf("cannot be run: the control has the status %x\n", status), 2;
	child = fork();
	if (!child)
		process(1);
	if (gone(child, 6, &status))
		return status ? printf("cannot be run: %x\n", status), 2 : (puts("ok"), 0);
	kill(child, SIGKILL), killed = gone(child, 5, &status);
	maker = fork();
	if (!maker)
		prctl(PR_SET_PDEATHSIG, SIGKILL), _exit(mkdir("/cg/c", 0700));
	made = gone(maker, 5, &status);
	kill(server, SIGKILL);
	printf("BROKEN: clone3 of a user waits for 5 s, SIGKILL %s it, mkdir of root's cgroup %s; the end of the FUSE server %s all\n",
	       killed ? "ends" : "does not end", made ? "succeeds" : "hangs",
	       (killed || gone(child, 5, &status)) && (made || gone(maker, 5, &status)) ? "ends" : "does not end");
	return 1;
}
