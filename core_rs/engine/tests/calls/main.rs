//! What policies say about the calls of tools that models propose.

#[cfg(test)]
mod exactness;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod loading;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod shapes;
#[cfg(test)]
mod untold;
#[cfg(test)]
mod verdicts;
