"""Operations on labelled arrays: lazy where their input is."""
