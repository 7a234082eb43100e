"""The commands of replays."""
