//! Quantities as people write them: `5 ms`, `7.21 Mbit/s`, `100mbit`, `500m`, `1 GiB`.
