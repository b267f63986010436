//! What an operator sets of routes: weights, defaults, and who Nova is.

/// What counts most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// Quality a little before speed and cost.
    Balanced,
    /// Cost above all.
    Cost,
    /// Quality above all.
    Quality,
    /// Speed above all.
    Speed,
    /// The preferred model and no other.
    Specific,
}

impl Strategy {
    /// The strategy of this name in lower case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "balanced" => Some(Self::Balanced),
            "cost" => Some(Self::Cost),
            "quality" => Some(Self::Quality),
            "speed" => Some(Self::Speed),
            "specific" => Some(Self::Specific),
            _ => None,
        }
    }
}

/// What each factor counts, in parts of their sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weights {
    /// Of quality.
    pub quality: u32,
    /// Of speed.
    pub speed: u32,
    /// Of cost.
    pub cost: u32,
}

impl Weights {
    pub(super) fn sum(self) -> u64 {
        u64::from(self.quality) + u64::from(self.speed) + u64::from(self.cost)
    }
}

/// The weights of each strategy; those of the product by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeightTable {
    /// Of [`Strategy::Balanced`] and [`Strategy::Specific`].
    pub balanced: Weights,
    /// Of [`Strategy::Cost`].
    pub cost: Weights,
    /// Of [`Strategy::Quality`].
    pub quality: Weights,
    /// Of [`Strategy::Speed`].
    pub speed: Weights,
}

impl Default for WeightTable {
    fn default() -> Self {
        Self {
            balanced: Weights { quality: 400, speed: 300, cost: 300 },
            cost: Weights { quality: 100, speed: 100, cost: 800 },
            quality: Weights { quality: 800, speed: 100, cost: 100 },
            speed: Weights { quality: 100, speed: 800, cost: 100 },
        }
    }
}

impl WeightTable {
    /// Those of a strategy.
    #[must_use]
    pub fn of(&self, strategy: Strategy) -> Weights {
        match strategy {
            Strategy::Balanced | Strategy::Specific => self.balanced,
            Strategy::Cost => self.cost,
            Strategy::Quality => self.quality,
            Strategy::Speed => self.speed,
        }
    }

    pub(super) fn all(&self) -> [Weights; 4] {
        [self.balanced, self.cost, self.quality, self.speed]
    }
}

/// What an operator sets of routes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// Default provider by task type.
    pub task_defaults: Vec<(String, String)>,
    /// Default provider by agent role.
    pub role_defaults: Vec<(String, String)>,
    /// What the factors count.
    pub weights: WeightTable,
    /// Provider and model that the role `nova` is locked to; without them it has no model.
    pub nova: Option<(String, String)>,
}

impl Rules {
    pub(super) fn role_default(&self, role: &str) -> Option<&str> {
        provider_of(&self.role_defaults, role)
    }

    pub(super) fn task_default(&self, task: &str) -> Option<&str> {
        provider_of(&self.task_defaults, task)
    }
}

fn provider_of<'a>(defaults: &'a [(String, String)], key: &str) -> Option<&'a str> {
    defaults.iter().find(|(name, _)| name == key).map(|(_, provider)| provider.as_str())
}
