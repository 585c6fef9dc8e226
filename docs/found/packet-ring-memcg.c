// Expected: memory.max limits all memory that a cgroup uses, the kernel's memory included (cgroup-v2.rst). The
// twin: the ring of an AF_XDP socket is refused beyond memory.max. Linux 7.3.4: rings of AF_PACKET
// sockets are not charged. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_xdp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>
#define SIZE (192l << 20)

static long number(const char *path)
{
	char text[64] = "";
	int fd = open(path, O_RDONLY);

	read(fd, text, 63), close(fd);
	return atol(text);
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (write(fd, text, strlen(text)) < 0)
		perror(path), _exit(2);
	close(fd);
}

static long available(void)
{
	struct sysinfo i;

	return sysinfo(&i), i.freeram >> 20;
}

int main(void)
{
	struct tpacket_req req = { .tp_block_size = 1 << 20, .tp_block_nr = SIZE >> 20, .tp_frame_size = 4096, .tp_frame_nr = SIZE / 4096 };
	int packet = socket(AF_PACKET, SOCK_RAW, 0), xdp = socket(AF_XDP, SOCK_RAW, 0), entries = 32 << 20 >> 3, twin, got;

	mkdir("/cg", 0700);
	if (packet < 0 || xdp < 0 || mount("none", "/cg", "cgroup2", 0, 0))
		return perror("cgroup2"), 2;
	put("/cg/cgroup.subtree_control", "+memory");
	mkdir("/cg/a", 0700), put("/cg/a/memory.max", "16M");
	if (!fork()) {
		put("/cg/a/cgroup.procs", "0");
		_exit(setsockopt(xdp, SOL_XDP, XDP_UMEM_FILL_RING, &entries, sizeof(entries)) ? errno : 0);
	}
	wait(&twin), close(xdp);
	long before = available();
	if (!fork()) {
		put("/cg/a/cgroup.procs", "0");
		_exit(setsockopt(packet, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)) ? errno : 0);
	}
	wait(&got);
	long used = before - available(), charged = number("/cg/a/memory.current") >> 20;
	printf("%s: memory.max is 16 MB; a ring of AF_PACKET takes %ld MB (%d), and memory.current is %ld MB; a ring of 32 MB of AF_XDP: %s\n",
		got ? "ok" : "BROKEN", used, got, charged, WIFSIGNALED(twin) ? "killed" : strerror(WEXITSTATUS(twin)));
	return !got;
}
