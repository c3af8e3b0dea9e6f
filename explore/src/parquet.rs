//! `summary.parquet`: the same rows as `summary.csv`, for programs.
//!
//! Axes, verdicts and reasons are texts of few values and dictionary-encoded; metrics are split into streams of
//! equal bytes, which zstd then makes small. What is not known is null.

use std::io;
use std::sync::Arc;

use parquet::basic::{
    Compression, ConvertedType, Encoding, LogicalType, Repetition, Type as Physical, ZstdLevel,
};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{ColumnPath, Type};

use crate::cells::{engine_name, reason};
use crate::folder::Output;
use crate::unit::Unit;
use crate::{ExploreError, Folder, Plan};

/// Rows of a group, at least, but for the last.
const GROUP: usize = 1 << 16;

/// The file under way.
pub(crate) struct Table<'p> {
    plan: &'p Plan<'p>,
    writer: SerializedFileWriter<Output>,
    group: Group,
}

/// Rows that wait to become a group.
#[derive(Default)]
struct Group {
    numbers: Vec<u128>,
    /// One column per key of the axes, then verdicts and reasons.
    texts: Vec<Vec<ByteArray>>,
    /// Whether a row is predicted; one of each of the following for each that is.
    predicted: Vec<bool>,
    requests: Vec<i64>,
    decided: Vec<ByteArray>,
    engines: Vec<ByteArray>,
    metrics: Vec<Vec<f64>>,
}

impl<'p> Table<'p> {
    pub(crate) fn create(plan: &'p Plan<'p>, folder: &Folder) -> Result<Self, ExploreError> {
        let out = folder.create("summary.parquet")?;
        let level = ZstdLevel::try_new(1).map_err(failed)?;
        let mut properties = WriterProperties::builder().set_compression(Compression::ZSTD(level));
        for name in plan.metrics.names() {
            let column = ColumnPath::from(name.as_str());
            properties = properties
                .set_column_dictionary_enabled(column.clone(), false)
                .set_column_encoding(column, Encoding::BYTE_STREAM_SPLIT);
        }
        let writer =
            SerializedFileWriter::new(out, schema(plan).map_err(failed)?, Arc::new(properties.build()));
        let mut table = Table { plan, writer: writer.map_err(failed)?, group: Group::default() };
        table.clear();
        Ok(table)
    }

    fn clear(&mut self) {
        let keys: usize = self.plan.scenario.space.axes().iter().map(|axis| axis.keys().count()).sum();
        self.group = Group {
            texts: vec![Vec::new(); keys + 2],
            metrics: vec![Vec::new(); self.plan.metrics.width()],
            ..Group::default()
        };
    }

    /// Adds the rows of a unit; `digits` are those of each row, one after the other.
    pub(crate) fn write(&mut self, unit: &Unit, digits: &[u64]) -> Result<(), ExploreError> {
        let axes = self.plan.scenario.space.axes();
        let group = &mut self.group;
        for (row, predicted) in unit.rows() {
            let digits = &digits[row * axes.len()..(row + 1) * axes.len()];
            group.numbers.push(self.plan.points.number(digits));
            let labels = axes.iter().zip(digits).flat_map(|(axis, &digit)| axis.labels(digit));
            let about = [unit.verdicts[row].name().to_string(), reason(unit, row).into_owned()];
            for (column, text) in group.texts.iter_mut().zip(labels.chain(about)) {
                column.push(ByteArray::from(text.into_bytes()));
            }
            group.predicted.push(predicted.is_some());
            if let Some(at) = predicted {
                group.requests.push(unit.requests[at] as i64);
                group.decided.push(ByteArray::from(unit.decided[at].name()));
                group.engines.push(ByteArray::from(engine_name(unit.engines[at])));
            }
        }
        for (column, values) in group.metrics.iter_mut().zip(&unit.metrics) {
            column.extend(values);
        }
        if group.numbers.len() >= GROUP { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), ExploreError> {
        let is_wide = is_wide(self.plan);
        let group = &self.group;
        let mut write = || -> Result<(), ParquetError> {
            let mut out = self.writer.next_row_group()?;
            if is_wide {
                let texts =
                    group.numbers.iter().map(|number| ByteArray::from(number.to_string().into_bytes()));
                column::<ByteArrayType>(&mut out, &texts.collect::<Vec<_>>(), None)?;
            } else {
                let numbers: Vec<i64> = group.numbers.iter().map(|&number| number as i64).collect();
                column::<Int64Type>(&mut out, &numbers, None)?;
            }
            for texts in &group.texts {
                column::<ByteArrayType>(&mut out, texts, None)?;
            }
            let levels: Vec<i16> = group.predicted.iter().map(|&there| i16::from(there)).collect();
            column::<Int64Type>(&mut out, &group.requests, Some(&levels))?;
            column::<ByteArrayType>(&mut out, &group.decided, Some(&levels))?;
            column::<ByteArrayType>(&mut out, &group.engines, Some(&levels))?;
            for values in &group.metrics {
                let mut next = values.iter();
                let is_known = |&there: &bool| there && next.next().is_some_and(|value| !value.is_nan());
                let levels: Vec<i16> = group.predicted.iter().map(is_known).map(i16::from).collect();
                let known: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
                column::<DoubleType>(&mut out, &known, Some(&levels))?;
            }
            out.close()?;
            Ok(())
        };
        write().map_err(failed)?;
        self.clear();
        Ok(())
    }

    /// Gives the file its name; returns that and the SHA-256.
    pub(crate) fn finish(mut self) -> Result<(String, String), ExploreError> {
        if !self.group.numbers.is_empty() {
            self.flush()?;
        }
        self.writer.into_inner().map_err(failed)?.finish()
    }
}

fn column<T: DataType>(
    out: &mut SerializedRowGroupWriter<'_, Output>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let mut column = out.next_column()?.expect("the schema has a column for each that is written");
    column.typed::<T>().write_batch(values, levels, None)?;
    column.close()
}

/// Whether numbers need more than 63 bits and are written as texts.
fn is_wide(plan: &Plan<'_>) -> bool {
    i64::try_from(plan.scenario.space.len()).is_err()
}

fn schema(plan: &Plan<'_>) -> Result<Arc<Type>, ParquetError> {
    let field = |name: &str, physical: Physical, repetition: Repetition| {
        let field = Type::primitive_type_builder(name, physical).with_repetition(repetition);
        let field = match physical {
            Physical::BYTE_ARRAY => {
                field.with_logical_type(Some(LogicalType::String)).with_converted_type(ConvertedType::UTF8)
            }
            _ => field,
        };
        field.build().map(Arc::new)
    };
    let number = if is_wide(plan) { Physical::BYTE_ARRAY } else { Physical::INT64 };
    let keys = plan.scenario.space.axes().iter().flat_map(|axis| axis.keys());
    let mut fields = vec![field("number", number, Repetition::REQUIRED)?];
    for name in keys.chain(["verdict", "reason"]) {
        fields.push(field(name, Physical::BYTE_ARRAY, Repetition::REQUIRED)?);
    }
    fields.push(field("requests", Physical::INT64, Repetition::OPTIONAL)?);
    fields.push(field("decided", Physical::BYTE_ARRAY, Repetition::OPTIONAL)?);
    fields.push(field("engine", Physical::BYTE_ARRAY, Repetition::OPTIONAL)?);
    for name in plan.metrics.names() {
        fields.push(field(name, Physical::DOUBLE, Repetition::OPTIONAL)?);
    }
    Ok(Arc::new(Type::group_type_builder("summary").with_fields(fields).build()?))
}

fn failed(cause: ParquetError) -> ExploreError {
    ExploreError::Disk { step: "write", path: "summary.parquet".into(), cause: io::Error::other(cause) }
}
