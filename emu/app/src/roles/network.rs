//! Real work: a picture is decoded, resized and classified by a convolutional network.
//!
//! The network is SqueezeNet 1.1 (Iandola et al.: SqueezeNet: AlexNet-level accuracy with 50x fewer parameters,
//! arXiv:1602.07360), run by tract on one core. Its file is part of the program, so that an image needs nothing else;
//! `lab/network.sh` makes it and says where the weights come from. Pictures become what it was trained with: 227 by
//! 227, blue, green, red, each less its mean over ImageNet.

use fast_image_resize::images::Image;
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use sha2::{Digest, Sha256};
use tract_onnx::prelude::*;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::error::AppError;
use crate::protocol::Work;

const FILE: &[u8] = include_bytes!(env!(
    "OFFING_NETWORK",
    "`lab/agent.sh --network` builds this with the file of the network, which OFFING_NETWORK names"
));
/// Width and height of what it looks at.
const SIDE: usize = 227;
/// Blue, green, red over ImageNet, as networks trained with Caffe's conventions subtract them.
const MEANS: [f32; 3] = [103.939, 116.779, 123.68];

/// The network, ready to classify.
pub struct Network {
    plan: Arc<TypedRunnableModel>,
}

impl Network {
    /// Loads it from this program.
    ///
    /// # Errors
    /// The file is no network that can be run.
    pub fn load() -> Result<Network, AppError> {
        let plan = || {
            onnx()
                .model_for_read(&mut std::io::Cursor::new(FILE))?
                .with_input_fact(0, f32::fact([1, 3, SIDE, SIDE]).into())?
                .into_optimized()?
                .into_runnable()
        };
        let plan =
            plan().map_err(|cause: TractError| AppError::world("the network cannot be loaded", cause))?;
        Ok(Network { plan })
    }

    /// What it is.
    pub fn work(&self) -> Work {
        let sha256 = Sha256::digest(FILE).iter().map(|byte| format!("{byte:02x}")).collect();
        Work::Network { name: "SqueezeNet 1.1".into(), sha256 }
    }

    /// The class of a JPEG picture, 0 to 999.
    ///
    /// # Errors
    /// It is no picture.
    pub fn classify(&self, picture: &[u8]) -> Result<u16, AppError> {
        let input = look(picture).map_err(|cause| AppError::world("a picture cannot be decoded", cause))?;
        let classes = self
            .plan
            .run(tvec!(input.into()))
            .map_err(|cause| AppError::world("a picture cannot be classified", cause))?;
        let classes = classes[0].to_plain_array_view::<f32>();
        let classes = classes.map_err(|cause| AppError::world("a picture cannot be classified", cause))?;
        let best = classes.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        Ok(best.map_or(0, |(class, _)| class as u16))
    }
}

/// A picture as the network wants it.
fn look(picture: &[u8]) -> Result<Tensor, Box<dyn std::error::Error>> {
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(picture), options);
    let pixels = decoder.decode()?;
    let (width, height) = decoder.dimensions().ok_or("it has no size")?;
    let whole = Image::from_vec_u8(width as u32, height as u32, pixels, PixelType::U8x3)?;
    let mut small = Image::new(SIDE as u32, SIDE as u32, PixelType::U8x3);
    let bilinear = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    Resizer::new().resize(&whole, &mut small, &bilinear)?;
    let pixels = small.buffer();
    let mut input = Vec::with_capacity(3 * SIDE * SIDE);
    for (channel, mean) in MEANS.into_iter().enumerate() {
        input.extend(pixels.chunks_exact(3).map(|pixel| f32::from(pixel[2 - channel]) - mean));
    }
    Ok(Tensor::from_shape(&[1, 3, SIDE, SIDE], &input)?)
}
