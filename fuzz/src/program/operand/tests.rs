//! The invariants of [`Operand`], over all values of all types.

use super::*;

fn check_type<T: Operand + fmt::Debug>() {
    let count = T::COUNT;
    for byte in 0..=u8::MAX {
        let value = T::from_byte(byte);
        assert_eq!(u16::from(value.byte()), u16::from(byte) % count);
        assert_eq!(T::from_byte(value.byte()), value);
        assert_eq!(T::parse(&value.to_string()), Ok(value));
    }
    // `ACCEPTS` names at least both ends of the range.
    let words: Vec<String> = (0..count)
        .map(|byte| T::from_byte(byte as u8).to_string())
        .collect();
    let accepted: Vec<&str> = T::ACCEPTS.split([' ', ',']).collect();
    let ends = [&words[0], &words[words.len() - 1]];
    assert!(
        ends.iter().all(|word| accepted.contains(&word.as_str())),
        "{:?}: {}",
        T::KIND,
        T::ACCEPTS
    );
    assert_eq!((T::KIND.count(), T::KIND.accepts()), (count, T::ACCEPTS));
    assert_eq!(T::KIND.is_optional(), T::IMPLIED.is_some());
}

#[test]
fn every_value_survives_every_form() {
    check_type::<Proc>();
    check_type::<Dev>();
    check_type::<Addr>();
    check_type::<Len>();
    check_type::<Prot>();
    check_type::<Skip>();
    check_type::<Access>();
    check_type::<OnOff>();
    check_type::<Toward>();
    check_type::<RefSlot>();
    check_type::<MigrationSlot>();
    check_type::<LockSlot>();
    check_type::<AllocKind>();
    check_type::<Nth>();
    check_type::<How>();
    assert_eq!(
        OperandKind::ALL.len(),
        15,
        "a new type needs a line in this test"
    );
}

#[test]
fn constructors_keep_the_range() {
    assert_eq!(Len::new(0), Len::MIN);
    assert_eq!(Len::new(200).get(), 32);
    assert_eq!(Addr::new(32), Addr::MAX);
    assert_eq!(Dev::new(1).get(), 1);
    assert_eq!(Len::new(8).byte(), 7, "the wire stores a length less one");
}

#[test]
fn words_that_are_not_operands() {
    use OperandFault::*;
    assert_eq!(Addr::parse("32"), Err(TooLarge));
    assert_eq!(Addr::parse("99999999999999999999999999"), Err(TooLarge));
    assert_eq!(Addr::parse("+4"), Err(Malformed));
    assert_eq!(Addr::parse("-1"), Err(Malformed));
    assert_eq!(Addr::parse(""), Err(Malformed));
    assert_eq!(Len::parse("0"), Err(TooSmall));
    assert_eq!(Proc::parse("p"), Err(Malformed));
    assert_eq!(Proc::parse("8"), Err(Malformed));
    assert_eq!(Proc::parse("p8"), Err(TooLarge));
    assert_eq!(Prot::parse("RW"), Err(Malformed));
    assert_eq!(Skip::parse("0x05"), Err(Malformed));
    assert_eq!(Skip::parse("skip=0x"), Err(Malformed));
    assert_eq!(Skip::parse("skip=0x+1"), Err(Malformed));
    assert_eq!(Skip::parse("skip=0x100"), Err(TooLarge));
    assert_eq!(Skip::parse("skip=256"), Err(TooLarge));
    assert_eq!(Skip::parse("skip=5"), Ok(Skip::new(5)));
}

#[test]
fn skip_repeats_every_eight_pages() {
    let skip = Skip::new(0x05);
    let declined: Vec<usize> = (0..12).filter(|&page| skip.contains(page)).collect();
    assert_eq!(declined, [0, 2, 8, 10]);
}
