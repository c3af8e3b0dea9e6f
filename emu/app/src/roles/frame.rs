//! Frames: real JPEG pictures of any size to the byte, each with the address of its request inside.
//!
//! A picture is drawn and encoded a little smaller than asked; comment segments, which decoders skip, fill the
//! rest. The first of them holds the address. So a frame is exactly what is carried: no header is added.
//!
//! ```text
//! FFD8 | FFFE length "offing" endpoint index filling | FFFE length filling .. | rest of the picture
//! ```
//!
//! Sizes of a run span a range, so that a few pictures are made before the run, at sizes at most a quarter apart,
//! and each frame is the largest that fits. Above two million pixels pictures grow no further and the filling
//! does: larger frames take no longer to decode.

use jpeg_encoder::{ColorType, Encoder};

use super::chance::{Purpose, word};
use super::error::AppError;
use crate::protocol::{LARGEST_FRAME_BYTES, SMALLEST_FRAME_BYTES, Values};

const START: [u8; 2] = [0xFF, 0xD8];
const COMMENT: [u8; 2] = [0xFF, 0xFE];
const NAME: &[u8; 6] = b"offing";
/// Marker, length, name, endpoint, index.
const ADDRESS_BYTES: usize = 2 + 2 + 6 + 4 + 8;
/// What one segment fills, marker and length included: less than the 65,537 that it could, so that the address
/// always has room for a rest.
const FILLING_BYTES: usize = 60_000;
/// Bytes per pixel of photographs as cameras store them; ours are similar, and sizes are corrected by trying.
const BYTES_PER_PIXEL: f64 = 0.36;
const MOST_PIXELS: f64 = 2e6;
/// Eight by eight.
const FEWEST_PIXELS: f64 = 64.0;
/// As cameras and phones encode.
const QUALITY: u8 = 90;
/// How much of a frame a picture should fill at least.
const FILLED: f64 = 0.85;
/// Pictures that are tried until one does.
const TRIES: u32 = 6;
/// The most sizes that are prepared.
const MOST_RUNGS: usize = 16;
/// Different pictures, where few sizes are needed.
const PICTURES: usize = 4;

/// The pictures of one endpoint.
#[derive(Debug)]
pub struct Camera {
    seed: u64,
    endpoint: u32,
    bytes: Values,
    /// By size, ascending; the pictures of one size look different.
    rungs: Vec<Vec<Picture>>,
}

#[derive(Debug)]
struct Picture {
    encoded: Vec<u8>,
    /// Kept only if frames are encoded one by one.
    raw: Option<Raw>,
}

#[derive(Debug)]
struct Raw {
    pixels: Vec<u8>,
    width: u16,
    height: u16,
}

impl Camera {
    /// Makes the pictures that an endpoint needs for frames of these sizes [byte].
    ///
    /// # Errors
    /// A picture cannot be encoded.
    pub fn new(seed: u64, endpoint: u32, bytes: &Values, keep_raw: bool) -> Result<Camera, AppError> {
        let (smallest, largest) = bytes.range();
        let (smallest, largest) = (clamp(smallest), clamp(largest));
        let steps = ((largest as f64 / smallest as f64).ln() / 1.25f64.ln()).ceil() as usize;
        let steps = steps.min(MOST_RUNGS - 1);
        let pictures = if steps < PICTURES { PICTURES } else { 1 };
        let rungs = (0..=steps)
            .map(|step| {
                let part = if steps == 0 { 0.0 } else { step as f64 / steps as f64 };
                let size = (smallest as f64 * (largest as f64 / smallest as f64).powf(part)) as u64;
                (0..pictures)
                    .map(|look| {
                        let look = (step * pictures + look) as u64;
                        Picture::new(
                            word(seed, Purpose::Picture, endpoint, look),
                            size.max(smallest),
                            keep_raw,
                        )
                    })
                    .collect()
            })
            .collect::<Result<_, _>>()?;
        Ok(Camera { seed, endpoint, bytes: bytes.clone(), rungs })
    }

    /// The frame of a request, copied from a picture.
    pub fn frame(&self, index: u64) -> Vec<u8> {
        let (size, picture) = self.picture(index);
        dress(&picture.encoded, size, self.endpoint, index)
    }

    /// The frame of a request, its picture encoded anew: the same bytes.
    ///
    /// # Errors
    /// The picture cannot be encoded.
    pub fn encode(&self, index: u64) -> Result<Vec<u8>, AppError> {
        let (size, picture) = self.picture(index);
        match &picture.raw {
            Some(raw) => Ok(dress(&raw.encode()?, size, self.endpoint, index)),
            None => Ok(self.frame(index)),
        }
    }

    fn picture(&self, index: u64) -> (usize, &Picture) {
        let size = clamp(self.bytes.at(self.seed, Purpose::Frame, self.endpoint, index)) as usize;
        let fits = |rung: &Vec<Picture>| rung.iter().all(|picture| picture.bytes() <= size);
        let rung = self.rungs.iter().rev().find(|rung| fits(rung)).unwrap_or(&self.rungs[0]);
        (size, &rung[(index % rung.len() as u64) as usize])
    }
}

impl Picture {
    /// One that fits into a frame of this size [byte] and fills most of it.
    fn new(look: u64, frame_bytes: u64, keep_raw: bool) -> Result<Picture, AppError> {
        let mut pixels = (frame_bytes as f64 / BYTES_PER_PIXEL).clamp(FEWEST_PIXELS, MOST_PIXELS);
        for _ in 0..TRIES {
            let raw = Raw::new(look, pixels);
            let picture = Picture { encoded: raw.encode()?, raw: None };
            let filled = picture.bytes() as f64 / frame_bytes as f64;
            if filled <= 1.0 && (filled > FILLED || pixels == MOST_PIXELS) {
                return Ok(Picture { raw: keep_raw.then_some(raw), ..picture });
            }
            pixels = (pixels * (1.0 + FILLED) / 2.0 / filled).clamp(FEWEST_PIXELS, MOST_PIXELS);
        }
        // The smallest pictures are mostly tables.
        let raw = Raw::new(look, FEWEST_PIXELS);
        Ok(Picture { encoded: raw.encode()?, raw: keep_raw.then_some(raw) })
    }

    /// Of the smallest frame with this picture.
    fn bytes(&self) -> usize {
        self.encoded.len() + ADDRESS_BYTES
    }
}

impl Raw {
    /// A scene with smooth areas, edges and a grain: 4:3, about this many pixels.
    fn new(look: u64, pixels: f64) -> Raw {
        let width = ((pixels * 4.0 / 3.0).sqrt() as u16).max(8);
        let height = ((pixels / f64::from(width)) as u16).max(8);
        let shapes: Vec<[u64; 6]> = (0..12)
            .map(|shape| [0, 1, 2, 3, 4, 5].map(|part| word(look, Purpose::Picture, shape, part)))
            .collect();
        let mut grain = look | 1;
        let mut pixels = Vec::with_capacity(usize::from(width) * usize::from(height) * 3);
        for y in 0..u64::from(height) {
            for x in 0..u64::from(width) {
                let (u, v) = (x * 1_000 / u64::from(width), y * 1_000 / u64::from(height));
                let mut colour = [(u + v) * 255 / 2_000, v * 255 / 1_000, (2_000 - u - v) * 255 / 2_000];
                for &[at_x, at_y, size, red, green, blue] in &shapes {
                    let (dx, dy) = (u.abs_diff(at_x % 1_000), v.abs_diff(at_y % 1_000));
                    if dx * dx + dy * dy < (size % 250).pow(2) {
                        colour = [red % 256, green % 256, blue % 256];
                    }
                }
                // Xorshift (Marsaglia 2003): cheap, and nobody draws conclusions from the grain.
                grain ^= grain << 13;
                grain ^= grain >> 7;
                grain ^= grain << 17;
                let noise = grain & 31;
                pixels.extend(colour.map(|part| (part + noise).saturating_sub(16).min(255) as u8));
            }
        }
        Raw { pixels, width, height }
    }

    fn encode(&self) -> Result<Vec<u8>, AppError> {
        let mut encoded = Vec::with_capacity(self.pixels.len() / 4);
        Encoder::new(&mut encoded, QUALITY)
            .encode(&self.pixels, self.width, self.height, ColorType::Rgb)
            .map_err(|cause| AppError::world("a picture cannot be encoded", cause))?;
        Ok(encoded)
    }
}

/// What a frame can be [byte].
fn clamp(bytes: u64) -> u64 {
    bytes.clamp(SMALLEST_FRAME_BYTES, LARGEST_FRAME_BYTES)
}

/// Adds the address and fills up to the size.
fn dress(picture: &[u8], size: usize, endpoint: u32, index: u64) -> Vec<u8> {
    let filling = size - picture.len() - ADDRESS_BYTES;
    let rest = filling % FILLING_BYTES;
    let mut frame = Vec::with_capacity(size);
    frame.extend(START);
    frame.extend(COMMENT);
    frame.extend(((ADDRESS_BYTES - 2 + rest) as u16).to_be_bytes());
    frame.extend(NAME);
    frame.extend(endpoint.to_be_bytes());
    frame.extend(index.to_be_bytes());
    frame.resize(frame.len() + rest, 0);
    for _ in 0..filling / FILLING_BYTES {
        frame.extend(COMMENT);
        frame.extend(((FILLING_BYTES - 2) as u16).to_be_bytes());
        frame.resize(frame.len() + FILLING_BYTES - 4, 0);
    }
    frame.extend(&picture[START.len()..]);
    frame
}

/// The address inside a frame: endpoint and index. Nothing if it is none of ours.
pub fn address(frame: &[u8]) -> Option<(u32, u64)> {
    let comment = frame.strip_prefix(&START)?.strip_prefix(&COMMENT)?.get(2..)?;
    let address = comment.strip_prefix(NAME)?;
    let endpoint = u32::from_be_bytes(address.get(..4)?.try_into().ok()?);
    let index = u64::from_be_bytes(address.get(4..12)?.try_into().ok()?);
    Some((endpoint, index))
}

#[cfg(test)]
mod tests {
    use zune_jpeg::JpegDecoder;
    use zune_jpeg::zune_core::bytestream::ZCursor;

    use super::*;

    fn pixels(frame: &[u8]) -> (usize, usize) {
        let mut decoder = JpegDecoder::new(ZCursor::new(frame));
        let pixels = decoder.decode().expect("it is a picture");
        let (width, height) = decoder.dimensions().expect("it was decoded");
        assert_eq!(pixels.len(), width * height * 3);
        (width, height)
    }

    #[test]
    fn every_frame_decodes_and_has_the_size_asked() {
        let sizes = [1_024, 1_025, 1_500, 7_018, 67_971, 68_000, 171_925, 1_000_000, 5_000_003];
        for size in sizes {
            let camera = Camera::new(1, 3, &Values::Constant(size), false).expect("it can be made");
            for index in [0, 1, 70_000] {
                let frame = camera.frame(index);
                assert_eq!(frame.len() as u64, size);
                assert_eq!(address(&frame), Some((3, index)));
                pixels(&frame);
            }
        }
    }

    #[test]
    fn sizes_of_a_list_are_met_one_by_one_with_pictures_that_fill_most_of_them() {
        let list: Vec<u64> = vec![63_345, 76_305, 7_018, 171_925, 8_310, 25_000];
        let camera = Camera::new(1, 0, &Values::List(list.clone()), false).expect("it can be made");
        for (index, size) in list.iter().enumerate() {
            let frame = camera.frame(index as u64);
            assert_eq!(frame.len() as u64, *size);
            let (width, height) = pixels(&frame);
            assert!(width > height, "{width} x {height}");
            let filled = frame.len() - frame.iter().filter(|byte| **byte == 0).count();
            assert!(filled as f64 > 0.6 * *size as f64, "{filled} of {size} bytes are no filling");
        }
    }

    #[test]
    fn a_frame_is_decided_by_seed_endpoint_and_index() {
        let frame = |seed, endpoint, index| {
            Camera::new(seed, endpoint, &Values::Constant(20_000), false)
                .expect("it can be made")
                .frame(index)
        };
        assert_eq!(frame(1, 2, 3), frame(1, 2, 3));
        assert_ne!(frame(1, 2, 3), frame(2, 2, 3));
        assert_ne!(frame(1, 2, 3), frame(1, 1, 3));
        assert_ne!(frame(1, 2, 3), frame(1, 2, 7));
    }

    #[test]
    fn encoding_anew_gives_the_same_frame() {
        let camera = Camera::new(1, 0, &Values::Constant(30_000), true).expect("it can be made");
        assert_eq!(camera.encode(5).expect("it can be encoded"), camera.frame(5));
    }

    #[test]
    fn what_is_no_frame_has_no_address() {
        for bytes in [&b""[..], &START, b"\xFF\xD8\xFF\xFE\0\x10offing\0\0", &[0; 40]] {
            assert_eq!(address(bytes), None);
        }
    }
}
