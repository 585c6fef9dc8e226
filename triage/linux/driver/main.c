// SPDX-License-Identifier: GPL-2.0
/*
 * Two devices with private memory, for judging a model of mm/migrate_device.c: sessions and their
 * ioctls.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/sched/mm.h>
#include <linux/sched/stat.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/uaccess.h>

#include "internal.h"

/* If others still run after this time and this many turns, one of them keeps retrying. */
#define QUIET_JIFFIES 3
#define QUIET_TURNS 8

/*
 * Ends everything that the session holds, and forgets all mirrors or only those of address spaces
 * that are gone.
 */
static void end_session(struct session *session, bool all)
{
	mmfuzz_drop_holds(session);
	mmfuzz_end_migrations(session);
	mmfuzz_forget_mirrors(session, all);
}

static long reset(struct session *session, struct mmfuzz_reset *arg)
{
	static const struct mmfuzz_fail none;

	if (arg->limit > FRAMES || arg->unit > MMFUZZ_MAX_UNIT)
		return -EINVAL;
	mmfuzz_end_stops();
	end_session(session, false);
	mmfuzz_fail_next(&none);
	/* pages of mlocked VMAs, also device pages, wait in a batch */
	lru_add_drain();
	mmfuzz_reset_devices(arg);
	return 0;
}

static int mmfuzz_open(struct inode *inode, struct file *file)
{
	struct session *session = kzalloc(sizeof(*session), GFP_KERNEL);

	if (!session)
		return -ENOMEM;
	mutex_init(&session->mutex);
	file->private_data = session;
	return 0;
}

static int mmfuzz_release(struct inode *inode, struct file *file)
{
	mmfuzz_end_stops();
	end_session(file->private_data, true);
	kfree(file->private_data);
	return 0;
}

/*
 * The guest has one CPU. A task that waits by retrying never stops running, so this waits only for
 * a limited time. The other tasks get at least a few turns before it gives up.
 */
static long quiet(void)
{
	unsigned long end = jiffies + QUIET_JIFFIES;
	int turns;

	for (turns = 0; nr_running() > 1; turns++) {
		if (turns > QUIET_TURNS && time_after(jiffies, end))
			return -EBUSY;
		yield();
	}
	return 0;
}

static bool valid_range(const struct mmfuzz_range *range)
{
	return range->dev < MMFUZZ_DEVICES && range->len && range->len <= MMFUZZ_MAX_PAGES &&
	       !(range->addr & ~PAGE_MASK) && range->addr < MMFUZZ_MIRRORED &&
	       range->len * PAGE_SIZE <= MMFUZZ_MIRRORED - range->addr && range->unit <= MMFUZZ_MAX_UNIT &&
	       !(range->flags & ~(MMFUZZ_TO_SYSTEM | MMFUZZ_WRITE | MMFUZZ_PIN |
				  MMFUZZ_FAST | MMFUZZ_LONGTERM));
}

/* Lets the device access each page of a range. All accesses must give the same word, or fail alike. */
static long each_page(struct session *session, struct mmfuzz_range *range)
{
	struct mmfuzz_range first = *range;
	long ret = mmfuzz_access(session, &first);
	unsigned int i;

	for (i = 1; i < range->len && ret != -EINTR; i++) {
		struct mmfuzz_range one = *range;
		long other;

		one.addr += i * PAGE_SIZE;
		other = mmfuzz_access(session, &one);
		if (other == -EINTR)
			return other;
		if (other != ret || (!ret && one.result != first.result))
			return -EUCLEAN;
	}
	range->result = first.result;
	return ret;
}

/* Finds the folios that a range maps now, runs a command for each, and adds the results. */
static long each_folio(struct mmfuzz_range *range, long (*command)(struct mmfuzz_range *range))
{
	DECLARE_BITMAP(firsts, MMFUZZ_MAX_UNIT) = {};
	struct folio *last = NULL;
	unsigned int i;

	if (range->len > MMFUZZ_MAX_UNIT)
		return -EINVAL;
	for (i = 0; i < range->len; i++) {
		struct page *page = mmfuzz_hold_entry(range->addr + i * PAGE_SIZE);
		struct folio *folio = page ? page_folio(page) : NULL;

		if (folio && folio != last)
			__set_bit(i, firsts);
		last = folio;
		if (page)
			put_page(page);
	}
	if (bitmap_empty(firsts, range->len))
		return -ENOENT;
	range->result = 0;
	for_each_set_bit(i, firsts, range->len) {
		struct mmfuzz_range one = *range;
		long ret;

		one.addr += i * PAGE_SIZE;
		ret = command(&one);
		if (ret)
			return ret;
		range->result += one.result;
	}
	return 0;
}

static long range_command(struct session *session, unsigned int cmd, struct mmfuzz_range *range)
{
	if (!valid_range(range))
		return -EINVAL;
	range->unit = range->unit ?: 1;
	switch (cmd) {
	case MMFUZZ_IOC_MIGRATE:
		return mmfuzz_migrate_now(session, range);
	case MMFUZZ_IOC_SETUP:
		return mmfuzz_setup(session, range);
	case MMFUZZ_IOC_ACCESS:
		return each_page(session, range);
	case MMFUZZ_IOC_GET:
		return mmfuzz_get(session, range);
	case MMFUZZ_IOC_HOLD:
		return mmfuzz_hold(session, range);
	case MMFUZZ_IOC_LOCK:
		return mmfuzz_lock(session, range);
	case MMFUZZ_IOC_RECLAIM:
		return each_folio(range, mmfuzz_reclaim);
	case MMFUZZ_IOC_COMPACT:
		return each_folio(range, mmfuzz_compact);
	default:
		return mmfuzz_make_exclusive(session, range);
	}
}

static long snapshot_command(struct session *session, struct mmfuzz_snapshot *arg)
{
	struct mmfuzz_range range = { .addr = arg->addr, .len = arg->len, .dev = arg->dev };

	return valid_range(&range) && arg->len <= MMFUZZ_MAX_SNAPSHOT ? mmfuzz_take_snapshot(session, arg) : -EINVAL;
}

static long mmfuzz_ioctl(struct file *file, unsigned int cmd, unsigned long user)
{
	struct session *session = file->private_data;
	union {
		struct mmfuzz_range range;
		struct mmfuzz_slot slot;
		struct mmfuzz_evict evict;
		struct mmfuzz_snapshot snapshot;
		struct mmfuzz_fail fail;
		struct mmfuzz_observe observe;
		struct mmfuzz_reset reset;
		struct mmfuzz_schedule schedule;
		struct mmfuzz_stops stops;
		struct mmfuzz_at at;
		struct mmfuzz_places places;
	} arg;
	size_t size = _IOC_SIZE(cmd);
	long ret;

	if (size > sizeof(arg) || (size && copy_from_user(&arg, (void __user *)user, size)))
		return size > sizeof(arg) ? -ENOTTY : -EFAULT;
	switch (cmd) {
	case MMFUZZ_IOC_ATTACH:
		return mmfuzz_attach(session);
	case MMFUZZ_IOC_QUIET:
		return quiet();
	case MMFUZZ_IOC_WARN:
		WARN(1, "mmfuzz: a warning was asked for\n");
		return 0;
	case MMFUZZ_IOC_MIGRATE:
	case MMFUZZ_IOC_SETUP:
	case MMFUZZ_IOC_ACCESS:
	case MMFUZZ_IOC_GET:
	case MMFUZZ_IOC_HOLD:
	case MMFUZZ_IOC_LOCK:
	case MMFUZZ_IOC_EXCLUSIVE:
	case MMFUZZ_IOC_COMPACT:
	case MMFUZZ_IOC_RECLAIM:
		ret = range_command(session, cmd, &arg.range);
		break;
	case MMFUZZ_IOC_NEXT:
		ret = mmfuzz_next_phase(session, &arg.slot);
		break;
	case MMFUZZ_IOC_PUT:
		ret = mmfuzz_put(session, &arg.slot);
		break;
	case MMFUZZ_IOC_UNLOCK:
		ret = mmfuzz_unlock(session, &arg.slot);
		break;
	case MMFUZZ_IOC_EVICT:
		ret = mmfuzz_evict_frames(&arg.evict);
		break;
	case MMFUZZ_IOC_RELEASE:
		ret = mmfuzz_release_device(&arg.evict);
		break;
	case MMFUZZ_IOC_SNAPSHOT:
		ret = snapshot_command(session, &arg.snapshot);
		break;
	case MMFUZZ_IOC_FAIL:
		return mmfuzz_fail_next(&arg.fail);
	case MMFUZZ_IOC_SCHEDULE:
		ret = mmfuzz_begin_stops(&arg.schedule);
		break;
	case MMFUZZ_IOC_ARM:
		return mmfuzz_arm_stops(&arg.stops);
	case MMFUZZ_IOC_DISARM:
		return mmfuzz_disarm_stops();
	case MMFUZZ_IOC_AWAIT:
		ret = mmfuzz_await_stop(&arg.at);
		break;
	case MMFUZZ_IOC_GO_ON:
		ret = mmfuzz_go_on(&arg.at);
		break;
	case MMFUZZ_IOC_OBSERVE:
		ret = mmfuzz_observe_process(&arg.observe);
		break;
	case MMFUZZ_IOC_RESET:
		ret = reset(session, &arg.reset);
		break;
	case MMFUZZ_IOC_UNTRACE:
		ret = mmfuzz_untrace(&arg.places);
		break;
	default:
		return -ENOTTY;
	}
	if (!ret && _IOC_DIR(cmd) & _IOC_READ && copy_to_user((void __user *)user, &arg, size))
		ret = -EFAULT;
	return ret;
}

static const struct file_operations mmfuzz_fops = {
	.owner = THIS_MODULE,
	.open = mmfuzz_open,
	.release = mmfuzz_release,
	.unlocked_ioctl = mmfuzz_ioctl,
};

static struct miscdevice mmfuzz_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "mmfuzz",
	.fops = &mmfuzz_fops,
};

static int __init mmfuzz_init(void)
{
	return mmfuzz_init_devices() ?: misc_register(&mmfuzz_misc);
}
device_initcall(mmfuzz_init);
