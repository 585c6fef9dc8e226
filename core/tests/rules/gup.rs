//! References and pins from outside (`get_user_pages`, `pin_user_pages`).

use crate::lab::Lab;
use mm_core::{Foll, GUP_PIN_COUNTING_BIAS, Pfn};

fn take(lab: &Lab, addr: u64, foll: Foll) -> Pfn {
    let page = lab.run(async |cur| cur.get_user_page(lab.mm, addr, foll).await);
    page.expect("a page")
}

#[test]
fn a_pin_counts_as_many_references_as_the_bias() {
    let lab = Lab::with(&[7]);
    let page = take(&lab, 0, Foll::PIN | Foll::WRITE);
    assert_eq!(lab.page(lab.mm, 0).refcount, 1 + GUP_PIN_COUNTING_BIAS);
    assert!(lab.page(lab.mm, 0).maybe_dma_pinned());
    lab.kernel.state().put_external(page, true);
    assert_eq!(lab.page(lab.mm, 0).refcount, 1);
}

#[test]
fn a_pinned_page_is_not_shared_by_a_fork() {
    let lab = Lab::with(&[7]);
    let pinned = take(&lab, 0, Foll::PIN | Foll::WRITE);
    let child = lab.fork(lab.mm);
    assert_eq!(lab.pfn(lab.mm, 0), pinned);
    assert!(
        lab.present(lab.mm, 0).write(),
        "the page stays exclusive to the parent"
    );
    assert_ne!(lab.pfn(child, 0), pinned);
    assert_eq!(lab.read(child, 0), 7);
}

#[test]
fn a_pin_to_read_a_shared_page_takes_it_out_of_the_sharing_first() {
    let lab = Lab::with(&[7]);
    let child = lab.fork(lab.mm);
    let pinned = take(&lab, 0, Foll::PIN);
    assert_ne!(pinned, lab.pfn(child, 0));
    assert!(lab.page(lab.mm, 0).anon_exclusive());
    // so the pin sees what the process writes later
    lab.write(lab.mm, 0, 8);
    assert_eq!(lab.kernel.state().page(pinned).word, 8);
}

#[test]
fn a_plain_reference_to_read_leaves_a_page_shared() {
    let lab = Lab::with(&[7]);
    let child = lab.fork(lab.mm);
    assert_eq!(take(&lab, 0, Foll::GET), lab.pfn(child, 0));
}

#[test]
fn a_shared_page_that_somebody_holds_is_copied_even_by_the_last_owner() {
    let lab = Lab::with(&[7]);
    let child = lab.fork(lab.mm);
    let held = take(&lab, 0, Foll::GET);
    lab.exit(child);
    lab.write(lab.mm, 0, 8);
    assert_ne!(lab.pfn(lab.mm, 0), held);
    assert_eq!(lab.kernel.state().page(held).word, 7);
}

#[test]
fn a_pin_of_the_zero_page_does_not_count_unless_it_may_last() {
    let lab = Lab::new();
    let before = lab.kernel.state().page(Pfn::ZERO).refcount;
    assert_eq!(take(&lab, 0, Foll::PIN), Pfn::ZERO);
    assert_eq!(lab.kernel.state().page(Pfn::ZERO).refcount, before);
    assert_ne!(take(&lab, 1, Foll::PIN | Foll::LONGTERM), Pfn::ZERO);
}

#[test]
fn a_page_outlives_its_mapping_as_long_as_it_is_held() {
    let lab = Lab::with(&[7]);
    let held = take(&lab, 0, Foll::GET);
    lab.munmap(lab.mm, 0..16);
    assert_eq!((lab.frames(), lab.kernel.state().page(held).word), (1, 7));
    lab.kernel.state().put_external(held, false);
    assert_eq!(lab.frames(), 0);
}

#[test]
fn the_fast_form_takes_what_the_slow_form_takes() {
    for foll in [Foll::GET, Foll::PIN]
        .map(|f| [f, f | Foll::WRITE])
        .concat()
    {
        for shared in [false, true] {
            let take = |fast: bool| {
                let lab = Lab::with(&[7]);
                let child = shared.then(|| lab.fork(lab.mm));
                let page = lab.run(async |cur| match fast {
                    true => cur.get_user_page_fast(lab.mm, 0, foll).await,
                    false => cur.get_user_page(lab.mm, 0, foll).await,
                });
                let page = page.expect("a page");
                let of_child = child.map(|child| lab.pfn(child, 0) == page);
                (*lab.kernel.state().page(page), of_child)
            };
            assert_eq!(take(true), take(false), "{foll:?}, shared: {shared}");
        }
    }
}
