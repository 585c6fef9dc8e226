//! A geometry is checked when it is made; one that passes makes a machine that runs.

use mm_core::{
    Dmirror, FaultError, Geometry, GeometryError, Kernel, MemorySizes, Pfn, TaskId, VmFlags,
};

const LEAST: MemorySizes = MemorySizes {
    system_frames: 2,
    device_frames: 0,
    swap_slots: 0,
};

#[test]
fn a_number_that_no_machine_has_is_refused_by_name() {
    let memory = |system_frames, device_frames| MemorySizes {
        system_frames,
        device_frames,
        swap_slots: 0,
    };
    let most = Pfn::FRAMES;
    let cases = [
        (
            0,
            3,
            LEAST,
            GeometryError::TableBits(0),
            "an index of 0 bits",
        ),
        (
            13,
            3,
            LEAST,
            GeometryError::TableBits(13),
            "an index of 13 bits",
        ),
        (
            3,
            0,
            LEAST,
            GeometryError::Levels(0),
            "0 levels of page tables",
        ),
        (
            3,
            1,
            LEAST,
            GeometryError::Levels(1),
            "1 level of page tables",
        ),
        (
            9,
            6,
            LEAST,
            GeometryError::AddressBits {
                table_bits: 9,
                levels: 6,
            },
            "6 levels of 9 bits",
        ),
        (
            3,
            3,
            memory(1, 0),
            GeometryError::SystemFrames(1),
            "1 frames of system memory",
        ),
        (
            3,
            3,
            memory(most + 1, 0),
            GeometryError::SystemFrames(most + 1),
            "16777217 frames of system memory",
        ),
        (
            3,
            3,
            memory(2, most + 1),
            GeometryError::DeviceFrames(most + 1),
            "16777217 frames of device memory",
        ),
    ];
    for (bits, levels, memory, expected, text) in cases {
        let error = Geometry::new(bits, levels, memory).expect_err(text);
        assert_eq!(error, expected);
        assert!(error.to_string().starts_with(text), "{error}");
    }
}

#[test]
fn the_largest_numbers_are_those_of_a_machine() {
    let memory = MemorySizes {
        system_frames: Pfn::FRAMES,
        device_frames: Pfn::FRAMES,
        swap_slots: u32::MAX,
    };
    for (bits, levels) in [(1, 52), (9, 5), (12, 4)] {
        let geometry = Geometry::new(bits, levels, memory).expect("a geometry");
        assert_eq!(geometry.task_size(), 1 << (bits * levels));
        assert_eq!(
            geometry.index(geometry.task_size() - 1, levels - 1) + 1,
            1 << bits
        );
    }
}

/// Two entries a table, two levels, one frame besides the zero page.
#[test]
fn the_least_machine_runs() {
    let geometry = Geometry::new(1, 2, LEAST).expect("a geometry");
    let kernel = Kernel::new(geometry, Box::new(Dmirror::new(geometry.device_frames())));
    let ended = kernel.run(TaskId(0), async |cur| {
        let mm = cur.mm_create().expect("memory");
        let all = 0..geometry.task_size();
        let access = VmFlags::READ.union(VmFlags::WRITE);
        cur.mmap(mm, all.clone(), access).await.expect("memory");
        assert_eq!(cur.user_access(mm, 3, Some(7)).await, Ok(7));
        assert_eq!(cur.user_access(mm, 0, Some(8)).await, Err(FaultError::Oom));
        assert_eq!(cur.user_access(mm, 3, None).await, Ok(7));
    });
    ended.expect("one task alone never waits");
}
