"""Synthetic data sets, and real images with synthetic captions.

Attributes:
  SYNTHETIC: name -> source, of all of them. Another one is imported here and listed there, and is a
    word of recipes.
"""

from mmjax.data.synthetic.action_sequences import ActionSequences
from mmjax.data.synthetic.anchored_signals import AnchoredSignals
from mmjax.data.synthetic.bound_pairs import BoundPairs
from mmjax.data.synthetic.bundles import Bundles
from mmjax.data.synthetic.caption_database import CaptionDatabase
from mmjax.data.synthetic.captions import NoisyCaptions, Translations
from mmjax.data.synthetic.class_captions import ClassCaptions
from mmjax.data.synthetic.classes import (
    AttributeClasses,
    FrozenClusters,
    GroupedClasses,
    NuisancePairs,
)
from mmjax.data.synthetic.composed_queries import ComposedQueries
from mmjax.data.synthetic.concepts import ConceptPairs, ConceptSets, NamedActions
from mmjax.data.synthetic.dialog_trees import DialogTrees
from mmjax.data.synthetic.digit_domains import DigitDomains
from mmjax.data.synthetic.digits import DigitsSource
from mmjax.data.synthetic.domain_gap import DomainGap
from mmjax.data.synthetic.domains import DomainPairs
from mmjax.data.synthetic.ecg import EcgReports
from mmjax.data.synthetic.edited_objects import EditedObjects
from mmjax.data.synthetic.ego_graphs import EgoGraphs
from mmjax.data.synthetic.entities import Entities
from mmjax.data.synthetic.entity_questions import EntityQuestions
from mmjax.data.synthetic.event_songs import EventSongs
from mmjax.data.synthetic.events import EventAudio
from mmjax.data.synthetic.fact_scenes import FactScenes
from mmjax.data.synthetic.glyph_pairs import GlyphPairs
from mmjax.data.synthetic.glyphs import GlyphScenes
from mmjax.data.synthetic.grid_objects import GridObjects
from mmjax.data.synthetic.identities import Identities
from mmjax.data.synthetic.latent import GaussianLatentSource
from mmjax.data.synthetic.latent_views import LatentViews
from mmjax.data.synthetic.lecture_clips import LectureClips
from mmjax.data.synthetic.lesion_volumes import LesionVolumes
from mmjax.data.synthetic.markov_text import MarkovText
from mmjax.data.synthetic.named_sounds import NamedSounds
from mmjax.data.synthetic.noisy_entities import NoisyEntities
from mmjax.data.synthetic.object_pages import ObjectPages
from mmjax.data.synthetic.organ_regions import OrganRegions
from mmjax.data.synthetic.pair_queries import PairQueries
from mmjax.data.synthetic.parity import Parity, Xor
from mmjax.data.synthetic.part_scenes import PartScenes
from mmjax.data.synthetic.partly_linear import PartlyLinear
from mmjax.data.synthetic.phoneme_speech import PhonemeSpeech
from mmjax.data.synthetic.prompted_regions import PromptedRegions
from mmjax.data.synthetic.region_captions import RegionCaptions
from mmjax.data.synthetic.routed_queries import RoutedQueries
from mmjax.data.synthetic.scenes import CompositionalScenes
from mmjax.data.synthetic.skill_pairs import SkillPairs
from mmjax.data.synthetic.slot_captions import SlotCaptions
from mmjax.data.synthetic.spelled_facts import SpelledFacts
from mmjax.data.synthetic.statistic_series import StatisticSeries
from mmjax.data.synthetic.studies import Studies
from mmjax.data.synthetic.textured_digits import TexturedDigits
from mmjax.data.synthetic.token_classes import TokenClasses
from mmjax.data.synthetic.tokenised_latents import TokenisedLatents
from mmjax.data.synthetic.topic_documents import TopicDocuments
from mmjax.data.synthetic.user_items import UserItems
from mmjax.data.synthetic.views import LatentBlocks, NoisyInstances
from mmjax.data.synthetic.word_bags import WordBags
from mmjax.data.synthetic.word_mixtures import WordMixtures
from mmjax.data.synthetic.word_scenes import WordScenes
from mmjax.data.synthetic.worded_classes import WordedClasses

SYNTHETIC = {
    source.name: source
    for source in (
        ActionSequences,
        AnchoredSignals,
        AttributeClasses,
        BoundPairs,
        Bundles,
        CaptionDatabase,
        ClassCaptions,
        ComposedQueries,
        CompositionalScenes,
        ConceptPairs,
        ConceptSets,
        DialogTrees,
        DigitDomains,
        DigitsSource,
        DomainGap,
        DomainPairs,
        EcgReports,
        EditedObjects,
        EgoGraphs,
        Entities,
        EntityQuestions,
        EventAudio,
        EventSongs,
        FactScenes,
        FrozenClusters,
        GaussianLatentSource,
        GlyphPairs,
        GlyphScenes,
        GridObjects,
        GroupedClasses,
        Identities,
        LatentBlocks,
        LatentViews,
        LectureClips,
        LesionVolumes,
        MarkovText,
        NamedActions,
        NamedSounds,
        NoisyCaptions,
        NoisyEntities,
        NoisyInstances,
        NuisancePairs,
        ObjectPages,
        OrganRegions,
        PairQueries,
        Parity,
        PartScenes,
        PartlyLinear,
        PhonemeSpeech,
        PromptedRegions,
        RegionCaptions,
        RoutedQueries,
        SkillPairs,
        SlotCaptions,
        SpelledFacts,
        StatisticSeries,
        Studies,
        TexturedDigits,
        TokenClasses,
        TokenisedLatents,
        TopicDocuments,
        Translations,
        UserItems,
        WordBags,
        WordMixtures,
        WordScenes,
        WordedClasses,
        Xor,
    )
}
