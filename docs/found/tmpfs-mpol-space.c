// Expected: each line of /proc/mounts has six fields, separated by spaces; a space in a field is \040 (getmntent(3)).
// So it is with mpol=interleave:0-1 (the control).
// Linux 7.3.4: mpol= of tmpfs takes the names "prefer (many)" and "weighted interleave", and /proc/mounts
// shows them with a bare space. Whoever reads the line loses the rest. Needs two NUMA nodes and root. cc -static
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

// Returns whether /proc/mounts shows noswap, which is the last option.
static int shown(const char *options)
{
	FILE *f = setmntent("/proc/mounts", "r");
	struct mntent *m;
	int found = -1;

	mkdir("/mnt", 0755);
	if (mount("tmpfs", "/mnt", "tmpfs", 0, options))
		return perror("mount"), -1;
	while ((m = getmntent(f)))
		if (!strcmp(m->mnt_dir, "/mnt"))
			found = hasmntopt(m, "noswap") != 0;
	endmntent(f);
	umount("/mnt");
	return found;
}

int main(void)
{
	int control = shown("noswap,mpol=interleave:0-1"), many = shown("noswap,mpol=prefer (many):0-1");

	if (control != 1 || many < 0)
		return puts("cannot be run"), 2;
	if (many)
		return puts("ok"), 0;
	return puts("BROKEN: with mpol=prefer (many), /proc/mounts hides noswap"), 1;
}
