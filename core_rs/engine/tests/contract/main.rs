//! Messages are what protobuf reads them as, whatever their length.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod reader;
