"""The tests of CHE·NU; see CONTRIBUTING.md for what each folder owes."""
