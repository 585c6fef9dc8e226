//! [`Arbitrary`] decodes the wire form, so that engines that speak `arbitrary` and engines that
//! speak bytes share a corpus.

use arbitrary::{Arbitrary, Result, Unstructured};

use super::{Program, wire};

impl<'a> Arbitrary<'a> for Program {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let len = u.arbitrary_len::<u8>()?.min(wire::MAX_BYTES);
        Ok(wire::decode(u.bytes(len)?))
    }

    fn arbitrary_take_rest(u: Unstructured<'a>) -> Result<Self> {
        Ok(wire::decode(u.take_rest()))
    }

    fn size_hint(_depth: usize) -> (usize, Option<usize>) {
        // No bytes are needed. At most, `arbitrary` reads a whole program, and `arbitrary_len`
        // reads the length.
        (0, Some(wire::MAX_BYTES + size_of::<usize>()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taking_the_rest_is_decoding() {
        let mut rng = fastrand::Rng::with_seed(4);
        for _ in 0..500 {
            let bytes: Vec<u8> = (0..rng.usize(0..200)).map(|_| rng.u8(..)).collect();
            assert_eq!(
                Program::arbitrary_take_rest(Unstructured::new(&bytes)),
                Ok(wire::decode(&bytes))
            );
            let mut u = Unstructured::new(&bytes);
            assert!(Program::arbitrary(&mut u).is_ok_and(|program| program.is_canonical()));
            assert!(bytes.len() - u.len() <= Program::size_hint(0).1.unwrap_or(0));
        }
    }
}
